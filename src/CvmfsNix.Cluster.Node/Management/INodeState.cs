namespace CvmfsNix.Cluster.Node.Management;

/// <summary>What the management port and the READY line say of a node, whatever its role.</summary>
public interface INodeState
{
    /// <summary>Remoting address; null for a node that has none.</summary>
    string? Address { get; }

    /// <summary>Whether it does what it is for.</summary>
    bool IsReady { get; }

    /// <summary>One line why not; empty when ready.</summary>
    string NotReadyReason { get; }

    /// <summary>Completes when it is ready for the first time.</summary>
    Task ReadyAsync(CancellationToken cancellationToken);

    /// <summary>The status document, UTF-8.</summary>
    Task<byte[]> StatusAsync(CancellationToken cancellationToken);
}
