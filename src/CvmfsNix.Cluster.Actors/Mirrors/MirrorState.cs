using System.Collections.Immutable;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a receiver knows of its repository: its events, added up.</summary>
internal sealed record MirrorState
{
    /// <summary>Nothing has been seen.</summary>
    public static MirrorState Empty { get; } = new();

    /// <summary>What the repository's creation fixed; null = it was never seen.</summary>
    public RepositoryDefinition? Definition { get; init; }

    /// <summary>The key of the first contact.</summary>
    public string PinnedKeyPem { get; init; } = "";

    /// <summary>Everything up to this event is in effect and indexed.</summary>
    public long Sequence { get; init; }

    /// <summary>The last event that changed a named file.</summary>
    public long Visible { get; init; }

    /// <summary>The revision up to which the index is filled.</summary>
    public ulong IndexedRevision { get; init; }

    /// <summary>What may be deleted some time, oldest first.</summary>
    public ImmutableList<CollectedObjects> Collected { get; init; } = [];

    /// <summary>Revisions whose record files nobody needs.</summary>
    public RevisionSet Forgotten { get; init; } = RevisionSet.Empty;

    /// <summary>The state after an event.</summary>
    public MirrorState Apply(IMirrorEvent @event) => @event switch
    {
        MirrorPinned e => this with { Definition = e.Definition, PinnedKeyPem = e.PublicKeyPem },
        MirrorApplied e => this with
        {
            Sequence = e.Sequence,
            Visible = Math.Max(Visible, e.Visible),
            IndexedRevision = e.Records.Count > 0 ? Math.Max(IndexedRevision, e.Records[^1].Revision) : IndexedRevision,
            Forgotten = Forgotten.Union(e.Forgotten),
            Collected = e.Collected.Count > 0 ? Collected.Add(new CollectedObjects(e.At, e.Collected)) : Collected,
        },
        MirrorDropped e => this with { Collected = Collected.RemoveAll(c => c.At < e.AppliedBefore) },
        _ => throw new ArgumentException($"{@event.GetType().Name} is no event of a mirror.", nameof(@event)),
    };
}
