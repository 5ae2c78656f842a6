namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>Another node's store did not do what it was asked; another one may, or the same a little later.</summary>
public sealed class PeerException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>There are fewer stores than copies are required, and waiting did not help. Nothing was lowered or given up.</summary>
public sealed class TooFewCopiesException(string message) : IOException(message);
