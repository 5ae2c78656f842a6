namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>What came is not what it was sent as: damaged on the way, at the source, or a patch of something else. Nothing of it was taken.</summary>
internal sealed class WrongBytesException(string message, Exception? inner = null) : Exception(message, inner);
