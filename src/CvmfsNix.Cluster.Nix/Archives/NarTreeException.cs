namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>A tree cannot be written as a Nix archive: a name, an order, a target or a depth the format forbids. The message says which.</summary>
public sealed class NarTreeException : Exception
{
    public NarTreeException(string message)
        : base(message)
    {
    }
}
