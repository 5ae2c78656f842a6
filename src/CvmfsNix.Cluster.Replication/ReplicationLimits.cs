namespace CvmfsNix.Cluster.Replication;

/// <summary>Bounds of what replication uses and waits for.</summary>
public sealed record ReplicationLimits
{
    /// <summary>The usual ones.</summary>
    public static readonly ReplicationLimits Default = new();

    /// <summary>Requests of one repository under way at the same time, at most.</summary>
    public int Streams { get; init; } = 16;

    /// <summary>A source that sends nothing for so long has failed.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A source that takes longer to accept a connection has failed.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>When no source has delivered anything for so long, an attempt is given up.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>So long a sibling whose turn it is to fetch something from afar is waited for.</summary>
    public TimeSpan SiblingWait { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Names in one request, at most.</summary>
    public int RequestItemsMax { get; init; } = 4096;

    /// <summary>Bytes one request asks for at first; it grows with the round-trip time.</summary>
    public long RequestBytesMin { get; init; } = 256 << 10;

    /// <summary>Bytes one request asks for, at most, except for a single larger object.</summary>
    public long RequestBytesMax { get; init; } = 16 << 20;

    /// <summary>Objects that are made durable together.</summary>
    public int BatchObjectsMax { get; init; } = 2048;

    /// <summary>Bytes that are made durable together.</summary>
    public long BatchBytesMax { get; init; } = 32 << 20;

    /// <summary>Bytes that stay free on the disk: below, nothing more is fetched.</summary>
    public long DiskReserveBytes { get; init; } = 256L << 20;

    /// <summary>Largest unpacked catalog or tag database whose size is not recorded; bytes.</summary>
    public long DatabaseBytesMax { get; init; } = 4L << 30;
}
