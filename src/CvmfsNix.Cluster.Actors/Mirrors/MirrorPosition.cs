namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>Where a repository stands on this mirror.</summary>
/// <param name="Repository">Fully qualified name.</param>
public sealed record MirrorPosition(string Repository)
{
    /// <summary>Everything up to this event of the writer's journal is in effect; 0 = nothing.</summary>
    public long Sequence { get; init; }

    /// <summary>The revision served; 0 = none.</summary>
    public ulong Revision { get; init; }

    /// <summary>Its root hash; empty = none.</summary>
    public string RootHash { get; init; } = "";

    /// <summary>The writer's newest event as far as it was heard of.</summary>
    public long HeadSequence { get; init; }

    /// <summary>The writer's newest revision as far as it was heard of.</summary>
    public ulong HeadRevision { get; init; }

    /// <summary>Stored bytes still to fetch for what is under way.</summary>
    public long MissingBytes { get; init; }

    /// <summary>Objects still to fetch for what is under way.</summary>
    public long MissingObjects { get; init; }

    /// <summary>Something is being fetched.</summary>
    public bool Working { get; init; }

    /// <summary>It is far behind or new here.</summary>
    public bool CatchingUp { get; init; }

    /// <summary>An operator asked that nothing new is taken.</summary>
    public bool Paused { get; init; }

    /// <summary>Why it does not get on; empty = it does.</summary>
    public string Problem { get; init; } = "";

    /// <summary>What went wrong last, also when it is over; empty = nothing since the start.</summary>
    public string Trouble { get; init; } = "";

    /// <summary>When that was.</summary>
    public DateTimeOffset TroubleAt { get; init; } = DateTimeOffset.UnixEpoch;

    /// <summary>True once what was here at the start has been looked at.</summary>
    public bool Opened { get; init; }

    /// <summary>True when it is told of to the core: what is here is known.</summary>
    public bool Known { get; init; }

    /// <summary>When the manifest served now took over here; null = before the start.</summary>
    public DateTimeOffset? ServedAt { get; init; }
}

/// <summary>How a scrub gets on, or ended.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="Items">Files looked at.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Damaged">Files whose bytes were not what their name says, or that were gone.</param>
/// <param name="Repaired">Of those, fetched again from another copy.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="FinishedAt">When it ended; null = it runs.</param>
/// <param name="Problem">Why it ended early, or what could not be mended; empty = nothing.</param>
public sealed record MirrorScrubReport(
    string Repository, long Items, long Bytes, long Damaged, long Repaired, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, string Problem);
