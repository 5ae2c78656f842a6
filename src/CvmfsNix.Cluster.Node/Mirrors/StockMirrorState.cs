using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>The state of a mirror of a stock server.</summary>
public sealed class StockMirrorState(StockMirror mirror, NodeOptions options, ReplicaIdentity identity) : INodeState
{
    /// <inheritdoc/>
    public string? Address => null;

    /// <inheritdoc/>
    public bool IsReady => mirror.IsReady;

    /// <inheritdoc/>
    public string NotReadyReason => mirror.IsReady ? "" : mirror.Problem;

    /// <inheritdoc/>
    public Task ReadyAsync(CancellationToken cancellationToken) => mirror.ReadyAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<byte[]> StatusAsync(CancellationToken cancellationToken) =>
        Task.FromResult(MirrorStatus.Write(identity.Id, options.Membership.Site, [mirror.Position], mirror.Problem.Length == 0 ? mirror.Url : "", mirror.Problem));
}
