namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>A file is not a readable catalog, or breaks a rule of the format.</summary>
public sealed class CatalogFormatException(string message, Exception? inner = null) : Exception(message, inner);
