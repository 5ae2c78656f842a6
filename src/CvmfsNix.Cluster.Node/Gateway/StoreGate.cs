using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>The gateway's way to the stores of this process.</summary>
public sealed class StoreGate(IPublishingCore core) : IRepositoryGate
{
    /// <inheritdoc/>
    public GateFormat Format(string repository)
    {
        RepositoryFormat format = core.Store(repository).Format;
        return new GateFormat(format.StoreDirectory, format.HashAlgorithm);
    }

    /// <inheritdoc/>
    public IStaging Stage(string repository, TransactionId transaction) =>
        new StoreStaging(core, repository, transaction, new TransactionStaging(core.Store(repository), transaction.Value));

    /// <inheritdoc/>
    public IReadOnlyList<NarHash?> FindPaths(string repository, IReadOnlyList<StorePathName> paths) => core.Store(repository).Index.Paths.FindHashes(paths);

    /// <inheritdoc/>
    public IndexedPath? FindRegistration(string repository, StorePathName path) => core.Store(repository).Index.Paths.Find(path);

    private sealed class StoreStaging(IPublishingCore core, string repository, TransactionId transaction, TransactionStaging staging) : IStaging
    {
        private const long CopiedAheadMin = 1 << 20;

        public long PathCount => staging.PathCount;

        public long ObjectsReceived => staging.ObjectsReceived;

        public long BytesStored => staging.BytesStored;

        public async Task<ReceivedPack> ReceivePackAsync(Stream body, CancellationToken ct)
        {
            StagedPack pack = await staging.ReceivePackAsync(body, ct);
            // What is small goes to the other stores with the seal, in one piece with the rest.
            if (pack.BytesNew >= CopiedAheadMin)
                core.CopyAhead(repository, pack.Names, transaction);
            return new ReceivedPack(pack.Objects, pack.BytesNew);
        }

        public IReadOnlyList<StoredContent?> FindContent(IReadOnlyList<ContentDigest> digests) => staging.FindContent(digests);

        public Task AddPathAsync(PathUpload upload, CancellationToken ct) => staging.AddPathAsync(upload, ct);

        public async Task<DurableBundle> SealAsync(BundleHeader header, CancellationToken ct)
        {
            SealedBundle bundle = await staging.SealAsync(header, ct);
            return new DurableBundle(bundle.Digest, bundle.Size, bundle.Paths);
        }

        public ValueTask DisposeAsync() => staging.DisposeAsync();
    }
}
