using System.IO.Compression;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>How an ingest uses the machine.</summary>
public sealed record IngestOptions
{
    /// <summary>Files read, hashed or compressed at once.</summary>
    public int Parallelism { get; init; } = Environment.ProcessorCount;

    /// <summary>Readers take any level.</summary>
    public CompressionLevel CompressionLevel { get; init; } = CompressionLevel.Optimal;

    /// <summary>Files above this are cut into chunks; bytes.</summary>
    public long ChunkBytesMin { get; init; } = 4L << 20;

    /// <summary>The size chunks have on average; bytes.</summary>
    public long ChunkBytesAverage { get; init; } = 8L << 20;

    /// <summary>No chunk is larger; bytes.</summary>
    public long ChunkBytesMax { get; init; } = 16L << 20;

    /// <summary>
    /// Memory for contents on their way from the disk into packs; bytes. At least one chunk is always let through. A chunk takes twice its greatest size: with less than 32 MiB for each
    /// processor, fewer chunks of large files are compressed at once. What does not fit is read again later, from the system's cache as a rule.
    /// </summary>
    public long InFlightBytesMax { get; init; } = 64L << 20;

    /// <summary>A pack is sent when it has reached this size; bytes.</summary>
    public long PackBytesTarget { get; init; } = 8L << 20;

    /// <summary>Packs sent at once.</summary>
    public int UploadsInFlight { get; init; } = 4;

    /// <summary>Paths begun and not yet handed in.</summary>
    public int PathsInFlight { get; init; } = 128;
}
