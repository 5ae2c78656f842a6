using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

public sealed class RepositoryReader : IAsyncDisposable
{
    public Manifest Manifest => throw new NotImplementedException();

    public Whitelist Whitelist => throw new NotImplementedException();

    public ObjectHash RootHash => throw new NotImplementedException();

    public ulong Revision => throw new NotImplementedException();

    public static Task<RepositoryReader> OpenAsync(IRepositorySource source, IReadOnlyList<string> masterPublicKeyPems, RepositoryReaderOptions options, CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<CatalogEntry?> FindAsync(RepositoryPath path, CancellationToken cancellationToken) => throw new NotImplementedException();

    public IAsyncEnumerable<CatalogEntry> ListAsync(RepositoryPath directory, bool includeHidden = false, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public IAsyncEnumerable<CatalogEntry> WalkAsync(RepositoryPath from, bool includeHidden = false, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task CopyToAsync(CatalogEntry file, Stream destination, CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<Stream> OpenFileAsync(CatalogEntry file, CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<IReadOnlyList<RepositoryTag>> TagsAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
