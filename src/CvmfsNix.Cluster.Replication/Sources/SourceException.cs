namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>A source did not answer, or not properly. Another one may.</summary>
internal sealed class SourceException(string message, Exception? inner = null) : Exception(message, inner);
