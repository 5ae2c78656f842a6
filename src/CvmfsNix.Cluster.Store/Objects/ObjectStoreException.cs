namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>The store's disk failed or is full. Nothing half written is left; the message names the file or directory.</summary>
public sealed class ObjectStoreException(string message, Exception? inner = null) : IOException(message, inner);
