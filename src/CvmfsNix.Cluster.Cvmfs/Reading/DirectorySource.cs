namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>A repository in a local folder.</summary>
public sealed class DirectorySource(string directory) : IRepositorySource
{
    private readonly string _directory = Path.GetFullPath(directory);

    /// <inheritdoc/>
    public string Description => _directory;

    /// <inheritdoc/>
    public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(relativePath);
        try
        {
            return Task.FromResult<Stream?>(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1, FileOptions.Asynchronous | FileOptions.SequentialScan));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Task.FromResult<Stream?>(null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RepositoryUnreachableException($"{path} cannot be opened: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(File.Exists(PathOf(relativePath)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private string PathOf(string relativePath)
    {
        ArgumentException.ThrowIfNullOrEmpty(relativePath);
        if (Path.IsPathRooted(relativePath) || relativePath.Split('/').Contains("..")) throw new ArgumentException($"'{relativePath}' leads out of the repository.", nameof(relativePath));
        return Path.Combine(_directory, relativePath);
    }
}
