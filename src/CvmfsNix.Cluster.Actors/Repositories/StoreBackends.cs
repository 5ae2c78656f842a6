using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>The stores in this node's data folder.</summary>
internal sealed class StoreBackends(CoreOptions options, StoreCopies copies) : IRepositoryBackends
{
    private readonly StoreLayout _layout = new(options.DataDirectory);
    private readonly KeyFolder _keys = new(options.KeysDirectory);

    // A node that begins to lead many repositories has its processors for their commits.
    private readonly SemaphoreSlim _warming = new(1, 1);

    public async Task<IRepositoryBackend> OpenAsync(RepositoryDefinition definition, CancellationToken ct)
    {
        var format = new RepositoryFormat
        {
            Repository = definition.Repository.Value,
            StoreDirectory = definition.StoreDirectory,
            HashAlgorithm = definition.HashAlgorithm,
            TtlSeconds = definition.TtlSeconds,
            NestedMinEntries = definition.NestedMinEntries,
            Certificate = definition.Certificate,
            HasNixDatabase = definition.NixDatabase,
        };
        var store = await RepositoryStore.OpenAsync(_layout, format, ct).ConfigureAwait(false);
        // Where several stores hold the copies, a commit counts confirmations; this one store need not have everything.
        store.CommitRequiresObjects = !copies.Needed;
        store.NixKey = () => _keys.TryLoadNix(definition.Repository.Value);
        return new StoreBackend(definition, store, _layout, _keys, copies, _warming);
    }

    public async Task<RepositoryDefinition> DefineAsync(RepositoryProtocol.RepositoryDefinitionRequest request, DateTimeOffset now, CancellationToken ct)
    {
        var algorithm = HashNames.Parse(request.HashAlgorithm);
        var storeDirectory = StoreDirectory.Parse(request.StoreDirectory);
        var keys = await _keys.CreateOrLoadAsync(request.Repository.Value, now, ct).ConfigureAwait(false);
        var definition = new RepositoryDefinition(
            request.Repository, storeDirectory, algorithm, TtlSeconds: 240, NestedMinEntries: 8, CertificateObject(keys.Cvmfs.Certificate, algorithm))
        {
            NixDatabase = request.NixDatabase,
        };
        // The store directory must have a place in the repository; better refused now than at the first commit.
        _ = new RepositoryFormat
        {
            Repository = request.Repository.Value,
            StoreDirectory = storeDirectory,
            HashAlgorithm = algorithm,
            Certificate = definition.Certificate,
        }.StoreRoot;
        return definition;
    }

    /// <summary>The name of the certificate object: it is stored as classic zlib makes it, so that every node finds the same name.</summary>
    internal static ObjectHash CertificateObject(RepositoryCertificate certificate, HashAlgorithmId algorithm) =>
        ObjectHasher.Hash(algorithm, ObjectCompression.CompressClassic(certificate.Pem));
}

/// <summary>Names of hash algorithms as commands and views spell them.</summary>
internal static class HashNames
{
    public static HashAlgorithmId Parse(string name) => name switch
    {
        "" or "sha1" => HashAlgorithmId.Sha1,
        "shake128" => HashAlgorithmId.Shake128,
        _ => throw new ArgumentException($"'{name}' names no hash algorithm of a new repository: sha1 or shake128."),
    };

    public static string Of(HashAlgorithmId algorithm) => algorithm switch
    {
        HashAlgorithmId.Sha1 => "sha1",
        HashAlgorithmId.Shake128 => "shake128",
        _ => "rmd160",
    };
}
