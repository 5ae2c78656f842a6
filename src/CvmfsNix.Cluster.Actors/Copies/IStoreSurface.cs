namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>How the other nodes' stores reach this one, and this one them. Without it a node has no peers.</summary>
public interface IStoreSurface
{
    /// <summary>Data port, without a slash at the end; null until it is bound.</summary>
    string? Url { get; }

    /// <summary>What peers show each other.</summary>
    PeerCredential Credential { get; }
}
