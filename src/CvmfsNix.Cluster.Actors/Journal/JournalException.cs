namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>The journal database cannot be used as it is; the message says where and what to do.</summary>
public sealed class JournalException(string message, Exception? inner = null) : Exception(message, inner);
