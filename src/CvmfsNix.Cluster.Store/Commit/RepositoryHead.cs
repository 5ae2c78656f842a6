using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>The newest revision of a repository, with what the next one is built from. Small: it is part of a writer's state.</summary>
public sealed record RepositoryHead
{
    /// <summary>The manifest's S, from 1.</summary>
    public required ulong Revision { get; init; }

    /// <summary>The root catalog.</summary>
    public required ObjectHash RootHash { get; init; }

    /// <summary>Bytes of the inflated root catalog.</summary>
    public required long RootSize { get; init; }

    /// <summary>The catalog of the store directory.</summary>
    public required ObjectHash StoreCatalog { get; init; }

    /// <summary>Bytes of the inflated catalog of the store directory.</summary>
    public required long StoreCatalogSize { get; init; }

    /// <summary>The tag database.</summary>
    public required ObjectHash History { get; init; }

    /// <summary>The manifest's T, whole seconds.</summary>
    public required DateTimeOffset PublishedAt { get; init; }

    /// <summary>The tag <c>trunk-previous</c>; null at the first revision.</summary>
    public RepositoryTag? Previous { get; init; }

    /// <summary>Tags set by users, ascending by name.</summary>
    public IReadOnlyList<RepositoryTag> NamedTags { get; init; } = [];

    /// <summary>Store paths in the revision.</summary>
    public required long Paths { get; init; }

    /// <summary>The manifest's T when tags were changed after the commit; null = <see cref="PublishedAt"/>.</summary>
    public DateTimeOffset? TaggedAt { get; init; }

    /// <summary>The tag database the revision was committed with, when tags were changed after that; null = <see cref="History"/>.</summary>
    public ObjectHash? CommittedHistory { get; init; }

    /// <summary>Revisions up to this one may have been served and are lost: the next one comes after it. 0 = none was lost.</summary>
    public ulong ContinueAfter { get; init; }

    /// <summary>The number of the next revision.</summary>
    public ulong Next => checked(Math.Max(Revision, ContinueAfter) + 1);

    /// <summary>The manifest's T.</summary>
    public DateTimeOffset ManifestAt => TaggedAt ?? PublishedAt;
}
