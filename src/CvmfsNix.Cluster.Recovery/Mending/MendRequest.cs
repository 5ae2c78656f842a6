using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Recovery.Mending;

/// <summary>A journal that is behind its stores, and who has seen more.</summary>
public sealed record MendRequest
{
    /// <summary>The repository.</summary>
    public required string Repository { get; init; }

    /// <summary>Data folder of a core node on this machine; no node runs on it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The journal; no node uses it.</summary>
    public required JournalOptions Journal { get; init; }

    /// <summary>Data folders of other nodes or mirrors, or copies of them.</summary>
    public IReadOnlyList<string> Witnesses { get; init; } = [];

    /// <summary>Events that nobody has are given up, and revisions go on above all that was served.</summary>
    public bool GiveUpLost { get; init; }

    /// <summary>A revision that was served somewhere out of reach; 0 = none is known.</summary>
    public ulong Above { get; init; }

    /// <summary>
    /// Every store that ever followed the repository was given. Without it a commit may have been acknowledged that none of those given has seen, so numbers of
    /// revisions go on above any that it can have had.
    /// </summary>
    public bool Complete { get; init; }

    /// <summary>False: it is only looked what would be done.</summary>
    public bool Confirmed { get; init; }

    /// <summary>Who asks, for the audit log.</summary>
    public required string Who { get; init; }
}

/// <summary>What was, or would be, appended.</summary>
/// <param name="Repository">The repository.</param>
/// <param name="From">Last event of the journal before.</param>
/// <param name="To">Last event of the journal after; the same when nothing is missing.</param>
/// <param name="Restored">Events that were brought back.</param>
/// <param name="Filled">Events that nobody has and that were given up.</param>
/// <param name="Revision">The newest revision after it.</param>
/// <param name="RootHash">Its root catalog.</param>
/// <param name="LostRevisions">Revisions that were served and are given up, as far as they are known.</param>
/// <param name="ContinuesAfter">The next revision comes after this number; 0 = after <paramref name="Revision"/>.</param>
public sealed record MendResult(
    string Repository, long From, long To, int Restored, int Filled, ulong Revision, string RootHash, IReadOnlyList<ulong> LostRevisions, ulong ContinuesAfter);
