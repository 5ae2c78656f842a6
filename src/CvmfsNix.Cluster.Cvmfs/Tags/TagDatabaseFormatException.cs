namespace CvmfsNix.Cluster.Cvmfs.Tags;

/// <summary>A file is not a readable tag database, or breaks a rule of the format.</summary>
public sealed class TagDatabaseFormatException(string message, Exception? inner = null) : Exception(message, inner);
