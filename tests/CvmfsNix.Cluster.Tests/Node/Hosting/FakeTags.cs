using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Tags in memory.</summary>
internal sealed class FakeTags : IRepositoryTags
{
    public Dictionary<string, RepositoryTag> Tags { get; } = [];

    public Task<IReadOnlyList<RepositoryTag>> ListAsync(string fqrn, CancellationToken ct) => Task.FromResult<IReadOnlyList<RepositoryTag>>([.. Tags.Values]);

    public Task<TagChange> SetAsync(string fqrn, string name, ulong revision, string description, CancellationToken ct)
    {
        Tags[name] = new RepositoryTag(name, Actors.Fake.Hash(name), revision, DateTimeOffset.UnixEpoch, 1, description);
        return Task.FromResult(new TagChange(Tags[name], true));
    }

    public Task<TagChange> RemoveAsync(string fqrn, string name, CancellationToken ct) => Tags.Remove(name, out RepositoryTag? tag)
        ? Task.FromResult(new TagChange(tag, true))
        : throw new PublishingException(PublishingCodes.UnknownTag, "There is no such tag.", name);
}
