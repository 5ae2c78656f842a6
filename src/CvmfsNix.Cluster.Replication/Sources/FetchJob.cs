using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Fetching;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>One request to one source.</summary>
internal sealed class FetchJob
{
    /// <summary>Of which repository.</summary>
    public required string Repository { get; init; }

    /// <summary>What is asked for.</summary>
    public required IReadOnlyList<Wanted> Items { get; init; }

    /// <summary>How long the source may wait for what it lacks.</summary>
    public TimeSpan Wait { get; init; }

    /// <summary>Opens what patches may be made of.</summary>
    public required Func<ObjectName, Stream?> OpenBase { get; init; }

    /// <summary>Takes an item as it comes; the size is negative where the source does not say.</summary>
    public required Func<Wanted, long, Stream, CancellationToken, Task> ReceiveAsync { get; init; }

    /// <summary>Bytes that came so far.</summary>
    public long BytesReceived { get; set; }
}
