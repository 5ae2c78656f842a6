using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>The same revision with a manifest signed anew: tags were changed with no commit, and the tag database is another one; or another key signs.</summary>
public interface ITagEvent : IRepositoryEvent
{
    /// <summary>What is served from here on.</summary>
    TagState State { get; }
}

/// <summary>The newest revision with other tags.</summary>
/// <param name="Head">As before, but for tags, tag database and the time of the manifest.</param>
/// <param name="SignedManifest">Bytes of <c>.cvmfspublished</c>.</param>
/// <param name="Superseded">What nobody needs any more: the tag database of an earlier change, catalogs of a revision that lost its last tag.</param>
/// <param name="Kept">What was superseded and is needed from now on: the catalogs of an older revision that got a tag.</param>
public sealed record TagState(RevisionHead Head, ReadOnlyMemory<byte> SignedManifest, IReadOnlyList<ObjectName> Superseded, IReadOnlyList<ObjectName> Kept)
{
    public bool Equals(TagState? other) => other is not null && Head == other.Head && SignedManifest.Span.SequenceEqual(other.SignedManifest.Span)
        && Superseded.SequenceEqual(other.Superseded) && Kept.SequenceEqual(other.Kept);

    public override int GetHashCode() => HashCode.Combine(Head, Superseded.Count, Kept.Count);
}

/// <summary>A tag was set, or moved to another revision.</summary>
public sealed record TagSet(RepositoryTag Tag, TagState State, DateTimeOffset At) : ITagEvent;

/// <summary>A tag was removed.</summary>
public sealed record TagRemoved(string Name, TagState State, DateTimeOffset At) : ITagEvent;
