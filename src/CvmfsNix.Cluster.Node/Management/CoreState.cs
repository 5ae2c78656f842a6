using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>A core node's state.</summary>
public sealed class CoreState(IPublishingCore core) : INodeState
{
    /// <inheritdoc/>
    public string? Address => core.Address;

    /// <inheritdoc/>
    public bool IsReady => core.IsReady;

    /// <inheritdoc/>
    public string NotReadyReason => core.NotReadyReason;

    /// <inheritdoc/>
    public Task ReadyAsync(CancellationToken cancellationToken) => core.ReadyAsync(cancellationToken);

    /// <inheritdoc/>
    public async Task<byte[]> StatusAsync(CancellationToken cancellationToken) => StatusDocument.Write(await core.StatusAsync(cancellationToken));
}
