namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>A document is not what <c>nix path-info --json</c> prints.</summary>
internal sealed class PathInfoJsonException(string message, Exception? innerException = null) : FormatException(message, innerException);
