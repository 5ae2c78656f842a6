namespace CvmfsNix.Cluster.Model.Copies;

/// <summary>How nodes tell each other of their stores.</summary>
public static class StoreProtocol
{
    /// <summary>Asks a node for its store.</summary>
    public sealed record AskStore;

    /// <summary>A node's store.</summary>
    /// <param name="Store">The store.</param>
    /// <param name="Incarnation">Of the node in the cluster: a node started anew is another member under the same address.</param>
    public sealed record StoreIs(StoreMember Store, int Incarnation);
}
