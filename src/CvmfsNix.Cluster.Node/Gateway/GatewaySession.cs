using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>One transaction a builder has open on this node.</summary>
public sealed class GatewaySession(string repository, TransactionId id, RequestDigest digest, IStaging staging) : IAsyncDisposable
{
    /// <summary>Fully qualified name.</summary>
    public string Repository { get; } = repository;

    public TransactionId Id { get; } = id;

    /// <summary>Of the request it was begun with.</summary>
    public RequestDigest Digest { get; } = digest;

    public IStaging Staging { get; } = staging;

    /// <summary>Timestamp of its begin.</summary>
    public long BeganAt { get; } = System.Diagnostics.Stopwatch.GetTimestamp();

    /// <summary>One seal at a time.</summary>
    public SemaphoreSlim Sealing { get; } = new(1);

    /// <summary>Set once the bundle is durable; from then on nothing is added.</summary>
    public DurableBundle? Bundle { get; set; }

    /// <summary>True once a path was asked for that the repository lacks, or a profile: there is something to commit, and the ledger knows of it.</summary>
    public bool HasWork { get; set; }

    /// <summary>As the request was begun.</summary>
    public bool RefusesDifferent { get; set; }

    /// <summary>Who asks.</summary>
    public string Builder { get; set; } = "";

    /// <summary>Paths found so far.</summary>
    public int PathsPresent { get; set; }

    /// <summary>Paths found so far whose committed content is another.</summary>
    public List<string> ContentKept { get; } = [];

    /// <summary>When it was last used.</summary>
    internal DateTimeOffset UsedAt { get; set; }

    /// <summary>Calls that use it now.</summary>
    internal int Users { get; set; }

    /// <summary>No longer in the list; the last user disposes it.</summary>
    internal bool Closed { get; set; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Staging.DisposeAsync();
        Sealing.Dispose();
    }
}
