using Akka.Actor;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>What a writer needs besides its messages.</summary>
internal sealed record WriterSettings
{
    public required ulong Epoch { get; init; }

    public required string Node { get; init; }

    /// <summary>Told of a lost leadership and of readiness.</summary>
    public required IActorRef Leader { get; init; }

    /// <summary>The ledgers.</summary>
    public required IActorRef Ledgers { get; init; }

    /// <summary>The directories of replicas: what these serve is not collected.</summary>
    public required IActorRef Directories { get; init; }

    public required LocalRepositories Local { get; init; }

    public required IJournalReader Journal { get; init; }

    /// <summary>The journal's database: where the histories of the ledgers end.</summary>
    public required IJournalDatabase Database { get; init; }

    public required TimeProvider Clock { get; init; }

    public required int BatchMembersMax { get; init; }

    public required int QueueMax { get; init; }

    public required TimeSpan ReferenceWait { get; init; }

    public required TimeSpan CatalogsKeep { get; init; }

    /// <summary>For a node that wrote to a ledger's history and then never came back.</summary>
    public required TimeSpan LedgersLookEvery { get; init; }

    /// <summary>How long removed paths can be had back, and their objects are kept.</summary>
    public required TimeSpan GcGrace { get; init; }

    /// <summary>How often the rules are looked at where that goes by itself.</summary>
    public required TimeSpan RemovalEvery { get; init; }

    public required int SnapshotEvery { get; init; }

    /// <summary>Bytes of catalogs a second that commits may store in the long run; 0 = no limit.</summary>
    public long CatalogBytesPerSecond { get; init; }

    /// <summary>Gets what an operator wants to know of a change of leaders.</summary>
    public ILogger Log { get; init; } = NullLogger.Instance;
}
