namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>What a core node is told at start. Validated by <see cref="CoreHosting"/>; every bound has a default.</summary>
public sealed record CoreOptions
{
    /// <summary>The node's data folder: <c>cvmfs/</c>, <c>meta/</c> and the SQLite journal lie in it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Folder of the repositories' keys.</summary>
    public required string KeysDirectory { get; init; }

    /// <summary>Datacenter of this node.</summary>
    public string Site { get; init; } = "default";

    /// <summary>Cluster roles of this node: <c>core</c>, and <c>stratum0</c> where it holds a store.</summary>
    public IReadOnlyList<string> Roles { get; init; } = ["core", "stratum0"];

    /// <summary>Address the remoting port is bound to.</summary>
    public string RemotingHost { get; init; } = "127.0.0.1";

    /// <summary>Remoting port; 0 = any free one.</summary>
    public int RemotingPort { get; init; } = 8110;

    /// <summary>Name other nodes reach this one by; null = <see cref="RemotingHost"/>.</summary>
    public string? PublicHost { get; init; }

    /// <summary>Remoting addresses (<c>host:port</c>) of the nodes a cluster is joined through, the same list everywhere; empty = a cluster of one.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>How long it takes until a silent node counts as lost.</summary>
    public ClusterTiming Timing { get; init; } = ClusterTiming.Lan;

    /// <summary>Where events and journal snapshots are kept.</summary>
    public required JournalOptions Journal { get; init; }

    /// <summary>Stores an object must be durable on before anything that needs it is answered.</summary>
    public int Copies { get; init; } = 1;

    /// <summary>How long a publish waits for stores when there are fewer than <see cref="Copies"/>, before it is told so.</summary>
    public TimeSpan CopiesTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a finished transaction is remembered; an older id is refused. Longer: retries are answered for longer, ledgers grow.</summary>
    public TimeSpan TransactionRetention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long an open transaction may be silent before it counts as expired.</summary>
    public TimeSpan OpenTransactionExpiry { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long superseded catalogs of untagged revisions are kept: a client that read the older manifest must still find them.</summary>
    public TimeSpan CatalogsKeep { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// How long removed paths can be had back, and objects that nothing needs are kept; at least as long as superseded catalogs. A transaction must be sealed
    /// within this time after its first upload.
    /// </summary>
    public TimeSpan GcGrace { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long the events a store has applied stay beside its objects: so old may the backup of a journal be that is mended without loss.</summary>
    public TimeSpan ArchiveKeep { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How often the rules of retention are looked at where that goes by itself.</summary>
    public TimeSpan RemovalEvery { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How often a store looks for objects that nothing needs.</summary>
    public TimeSpan CollectEvery { get; init; } = TimeSpan.FromHours(6);

    /// <summary>How long the bundle of a decided transaction is kept on disk; nothing needs it any more.</summary>
    public TimeSpan BundlesKeep { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Most transactions of one commit. Larger: more throughput under load, longer single commits.</summary>
    public int BatchMembersMax { get; init; } = 256;

    /// <summary>Bytes of catalogs a second that the commits of a repository may store in the long run; 0 = no limit. One that comes alone does not wait, those of a storm share revisions.</summary>
    public long CatalogBytesPerSecond { get; init; } = 64L << 20;

    /// <summary>Most transactions waiting in one repository's queue; beyond it builders are told to come back.</summary>
    public int QueueMax { get; init; } = 4096;

    /// <summary>How often a sealed transaction is offered to the writer again until it is answered.</summary>
    public TimeSpan EnqueueAgain { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How often running ledgers are told where their histories end although no node came or went.</summary>
    public TimeSpan LedgersLookEvery { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a transaction waits for a reference that no queued transaction brings either.</summary>
    public TimeSpan ReferenceWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Longest wait for the decision of a sealed transaction; after it the outcome is unknown to the caller, and asking again is safe.</summary>
    public TimeSpan SealTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Events of one repository between two journal snapshots.</summary>
    public int SnapshotEvery { get; init; } = 200;
}

/// <summary>Networks between the nodes of a cluster.</summary>
public enum ClusterTiming
{
    /// <summary>One datacenter: a lost leader is replaced in about four seconds.</summary>
    Lan,

    /// <summary>Sites 20 to 50 ms of round trip apart: a lost leader is replaced in about fifteen seconds, and lost packets make nobody suspect.</summary>
    Wan,
}

/// <summary>Where the journal lies.</summary>
/// <param name="Init">Create or upgrade the schema at start. SQLite creates a missing schema always.</param>
public abstract record JournalOptions(bool Init)
{
    /// <summary>A file of this one process; not for several nodes.</summary>
    public sealed record Sqlite(string File) : JournalOptions(true);

    /// <summary>A database shared by the nodes of a cluster.</summary>
    /// <param name="ConnectionString">An Npgsql connection string.</param>
    /// <param name="Init">Create or upgrade the schema at start.</param>
    /// <param name="AllowUnsafe">Only warn of settings that can lose an acknowledged commit.</param>
    public sealed record PostgreSql(string ConnectionString, bool Init, bool AllowUnsafe = false) : JournalOptions(Init)
    {
        // The connection string may hold a password.
        public override string ToString() => $"PostgreSql {{ ConnectionString = ***, Init = {Init} }}";
    }
}
