namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a mirror is told at start.</summary>
public sealed record MirrorOptions
{
    /// <summary>The data folder; absolute.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Where an operator may have put the public keys of repositories, as <c>FQRN.pub</c>; absolute.</summary>
    public required string KeysDirectory { get; init; }

    /// <summary>How long superseded catalogs stay after the revision that needed them was replaced here: readers are still in it.</summary>
    public TimeSpan CollectedKeep { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long objects that what is served does not need are kept.</summary>
    public TimeSpan GcGrace { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long what was applied stays on record beside the objects.</summary>
    public TimeSpan ArchiveKeep { get; init; } = TimeSpan.FromDays(7);

    /// <summary>So many events behind the newest one the revisions in between are not served, only indexed.</summary>
    public int FarBehind { get; init; } = 256;

    /// <summary>Pause before what failed is tried again; grows up to <see cref="RetryMax"/>.</summary>
    public TimeSpan RetryMin { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Longest pause before what failed is tried again.</summary>
    public TimeSpan RetryMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Journal events between two journal snapshots of a receiver.</summary>
    public int SnapshotEvery { get; init; } = 256;

    /// <summary>Events that may wait; more are not read from the stream before some of them are through.</summary>
    public int EventsWaitingMax { get; init; } = 16_384;

    /// <summary>Bytes of delta lists kept of events that wait; beyond it they are fetched when they are needed.</summary>
    public long DeltaBytesMax { get; init; } = 32L << 20;
}
