namespace CvmfsNix.Cluster.Cvmfs.Reading;

public sealed class HttpSource(Uri repositoryUrl, HttpClient? client = null) : IRepositorySource
{
    public string Description => repositoryUrl.AbsoluteUri;

    public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) => throw new NotImplementedException();

    public void Dispose() => client?.Dispose();
}
