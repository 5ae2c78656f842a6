namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Path infos could not be had; the message says of what, why, and what to do.</summary>
public sealed class PathInfoSourceException : Exception
{
    public PathInfoSourceException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
