using CvmfsNix.Cluster.Cvmfs.Reading;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>A repository folder as it will be once a node has written the named files of the journal's newest events.</summary>
internal sealed class HeadSource(string folder, byte[] signedManifest, byte[] whitelist) : IRepositorySource
{
    private readonly DirectorySource _folder = new(folder);

    public string Description => $"{_folder.Description} at the journal's head";

    public Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken) => relativePath switch
    {
        RepositoryReader.ManifestFile => Task.FromResult<Stream?>(new MemoryStream(signedManifest)),
        RepositoryReader.WhitelistFile => Task.FromResult<Stream?>(new MemoryStream(whitelist)),
        _ => _folder.OpenAsync(relativePath, cancellationToken),
    };

    public Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) => _folder.ExistsAsync(relativePath, cancellationToken);

    public void Dispose() => _folder.Dispose();
}
