using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What tags may be. Pure.</summary>
public static class TagRules
{
    /// <summary>Most tags of a repository: they are part of every commit.</summary>
    public const int TagsMax = 500;

    /// <summary>Most characters of a description.</summary>
    public const int DescriptionLengthMax = 200;

    /// <summary>Whether users may set a tag of this name: <c>trunk</c> and <c>trunk-previous</c> are the repository's own.</summary>
    public static bool IsName(string name) => TagDatabase.IsValidName(name) && name is not ("trunk" or "trunk-previous");

    /// <summary>The tags with one more, or with one moved; ascending by name.</summary>
    public static IReadOnlyList<RepositoryTag> With(IReadOnlyList<RepositoryTag> tags, RepositoryTag tag)
    {
        ArgumentNullException.ThrowIfNull(tag);
        return [.. Without(tags, tag.Name).Append(tag).OrderBy(t => t.Name, StringComparer.Ordinal)];
    }

    /// <summary>The tags without one.</summary>
    public static IReadOnlyList<RepositoryTag> Without(IReadOnlyList<RepositoryTag> tags, string name) => [.. tags.Where(t => t.Name != name)];

    /// <summary>A revision that can be named without looking anywhere: the newest one, the one before it, or one that has a name.</summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="revision">The one to name.</param>
    /// <returns>With the name <c>trunk</c>, <c>trunk-previous</c> or that of a tag; null when it is another revision.</returns>
    public static RepositoryTag? Find(RevisionHead head, ulong revision)
    {
        ArgumentNullException.ThrowIfNull(head);
        if (revision == head.Revision)
            return new RepositoryTag("trunk", head.RootHash, head.Revision, head.PublishedAt, head.RootSize, "");
        return head.Previous is { } previous && previous.Revision == revision ? previous : head.NamedTags.FirstOrDefault(t => t.Revision == revision);
    }
}
