namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>The journal database cannot be used as it is; the message says where and what to do.</summary>
public sealed class JournalException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The journal database does not answer at present.</summary>
public sealed class JournalUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
