namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>Where a repository's files come from. Thread-safe.</summary>
public interface IRepositorySource : IDisposable
{
    /// <summary>What people call it: a folder or a URL.</summary>
    string Description { get; }

    /// <summary>Opens a file for one forward reading; the caller disposes the stream. Null says that the file is not there.</summary>
    /// <param name="relativePath">Path below the repository's folder or URL, for example <c>.cvmfspublished</c> or <c>data/ab/cdef…</c>.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="RepositoryUnreachableException">Any failure but absence; also thrown from reads of the stream.</exception>
    Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken);

    /// <summary>True when the file is there.</summary>
    /// <exception cref="RepositoryUnreachableException">It could not be found out.</exception>
    Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken);
}
