using System.Threading.Channels;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>The mirror of this process, as the surfaces around it see it. Thread-safe.</summary>
public interface IMirror
{
    /// <summary>Whether it serves every complete revision it has; once true it stays true.</summary>
    bool IsReady { get; }

    /// <summary>One line what it waits for; empty when ready.</summary>
    string NotReadyReason { get; }

    /// <summary>Completes when it is ready.</summary>
    Task ReadyAsync(CancellationToken cancellationToken);

    /// <summary>All repositories it knows, by name.</summary>
    IReadOnlyList<MirrorPosition> Positions { get; }

    /// <summary>The node it follows now; empty = none.</summary>
    string FollowedUrl { get; }

    /// <summary>Why it follows nobody at present; empty = it does.</summary>
    string LinkProblem { get; }

    /// <summary>The store of a repository; null while it is not open.</summary>
    RepositoryStore? Find(string repository);
}

/// <summary>The mirror of this process, as whoever feeds it sees it. Thread-safe.</summary>
public interface IMirrorFeed
{
    /// <summary>Where packs are fetched from.</summary>
    FetchSources Sources { get; }

    /// <summary>Completes when everything that was here at the start has been looked at, so that positions can be told.</summary>
    Task OpenedAsync(CancellationToken cancellationToken);

    /// <summary>All repositories, also those that are not to be told of.</summary>
    IReadOnlyList<MirrorPosition> Positions { get; }

    /// <summary>A node is followed from now on.</summary>
    void Following(string url);

    /// <summary>Nobody is followed at present.</summary>
    /// <param name="why">One line.</param>
    void NotFollowing(string why);

    /// <summary>Every repository there is has been offered.</summary>
    void HeardOfAll();

    /// <summary>Takes a message; waits while too many events wait already.</summary>
    ValueTask TellAsync(MirrorProtocol.IMirrorMessage message, CancellationToken cancellationToken);

    /// <summary>Completes when a position changed that the other side should hear of at once, or a resync is due.</summary>
    /// <param name="seen">What the last call returned; 0 at first.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<long> ChangedAsync(long seen, CancellationToken cancellationToken);

    /// <summary>Cancelled when the stream has to be opened anew, because events were lost here. Another one each time.</summary>
    CancellationToken Resync { get; }

    /// <summary>Reports of scrubs to pass on.</summary>
    ChannelReader<MirrorScrubReport> ScrubReports { get; }
}
