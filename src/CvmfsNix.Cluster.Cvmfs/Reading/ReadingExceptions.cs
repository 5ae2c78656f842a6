using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>A source could not be asked, or failed while answering; trying again later may help.</summary>
public sealed class RepositoryUnreachableException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>A source answered, but no repository is there.</summary>
public sealed class RepositoryNotFoundException(string message) : Exception(message);

/// <summary>An object that a catalog, the manifest or a tag refers to is not in the source.</summary>
public sealed class ObjectMissingException(ObjectName name, string source) : Exception($"Object {name} is missing in {source}.")
{
    /// <summary>The object.</summary>
    public ObjectName Name { get; } = name;
}

/// <summary>A path that was to be listed or read is not there, or is of another type.</summary>
public sealed class RepositoryPathException(RepositoryPath path, string what) : Exception($"{path} {what}.")
{
    /// <summary>The path.</summary>
    public RepositoryPath Path { get; } = path;
}
