namespace CvmfsNix.Cluster.Cvmfs.Reflog;

/// <summary>A file is not a readable reflog.</summary>
public sealed class ReflogFormatException(string message, Exception? inner = null) : Exception(message, inner);
