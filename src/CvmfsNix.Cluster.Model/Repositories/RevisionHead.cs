using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>A revision by its hashes: all the next commit needs to know of it.</summary>
public sealed record RevisionHead
{
    /// <summary>Publish counter, from 1.</summary>
    public required ulong Revision { get; init; }

    /// <summary>Root catalog.</summary>
    public required ObjectHash RootHash { get; init; }

    /// <summary>Bytes of the root catalog, inflated.</summary>
    public required long RootSize { get; init; }

    /// <summary>Catalog of the store directory.</summary>
    public required ObjectHash StoreCatalog { get; init; }

    /// <summary>Its bytes, inflated.</summary>
    public required long StoreCatalogSize { get; init; }

    /// <summary>Tag database.</summary>
    public required ObjectHash History { get; init; }

    /// <summary>Manifest time, whole seconds.</summary>
    public required DateTimeOffset PublishedAt { get; init; }

    /// <summary>The revision before, as the tag database has it.</summary>
    public RepositoryTag? Previous { get; init; }

    /// <summary>Tags other than the automatic ones, by name.</summary>
    public IReadOnlyList<RepositoryTag> NamedTags { get; init; } = [];

    /// <summary>Live store paths.</summary>
    public long Paths { get; init; }

    /// <summary>Time of the manifest that was signed when tags were changed after the commit; null = <see cref="PublishedAt"/>.</summary>
    public DateTimeOffset? TaggedAt { get; init; }

    /// <summary>The tag database the revision was committed with, when tags were changed after that; null = <see cref="History"/>.</summary>
    public ObjectHash? CommittedHistory { get; init; }

    /// <summary>Revisions up to this one may have been served and are lost: the next one comes after it. 0 = none was lost.</summary>
    public ulong ContinueAfter { get; init; }

    /// <summary>The number of the next revision.</summary>
    public ulong Next => checked(Math.Max(Revision, ContinueAfter) + 1);

    public bool Equals(RevisionHead? other) => other is not null
        && Revision == other.Revision && RootHash == other.RootHash && RootSize == other.RootSize
        && StoreCatalog == other.StoreCatalog && StoreCatalogSize == other.StoreCatalogSize && History == other.History
        && PublishedAt == other.PublishedAt && Equals(Previous, other.Previous) && NamedTags.SequenceEqual(other.NamedTags) && Paths == other.Paths
        && TaggedAt == other.TaggedAt && CommittedHistory == other.CommittedHistory && ContinueAfter == other.ContinueAfter;

    public override int GetHashCode() => HashCode.Combine(Revision, RootHash, PublishedAt);
}
