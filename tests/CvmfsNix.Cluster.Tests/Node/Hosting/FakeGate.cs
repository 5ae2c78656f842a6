using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Repositories in memory: what is committed, and what was staged.</summary>
internal sealed class FakeGate : IRepositoryGate
{
    public ConcurrentDictionary<StorePathName, NarHash> Committed { get; } = [];

    public ConcurrentQueue<FakeStaging> Stagings { get; } = [];

    public Func<PathUpload, Task>? OnAdd { get; set; }

    public Func<Task>? OnPack { get; set; }

    public GateFormat Format(string repository) => new(StoreDirectory.Default, HashAlgorithmId.Sha1);

    public IStaging Stage(string repository, TransactionId transaction)
    {
        var staging = new FakeStaging(this);
        Stagings.Enqueue(staging);
        return staging;
    }

    public IReadOnlyList<NarHash?> FindPaths(string repository, IReadOnlyList<StorePathName> paths) =>
        [.. paths.Select(p => Committed.TryGetValue(p, out NarHash hash) ? hash : (NarHash?)null)];

    public IndexedPath? FindRegistration(string repository, StorePathName path) =>
        Committed.TryGetValue(path, out NarHash hash) ? new IndexedPath(new PathInfo { Path = path, NarHash = hash, NarSize = 120, References = [] }, 1) : null;
}

internal sealed class FakeStaging(FakeGate gate) : IStaging
{
    private long _bytes;

    public ConcurrentBag<PathUpload> Added { get; } = [];

    public BundleHeader? Header { get; private set; }

    public bool Disposed { get; private set; }

    public int SealCalls { get; private set; }

    public long PathCount => Added.Count;

    public long ObjectsReceived => 1;

    public long BytesStored => _bytes;

    public async Task<ReceivedPack> ReceivePackAsync(Stream body, CancellationToken ct)
    {
        if (gate.OnPack is not null)
            await gate.OnPack();
        var buffer = new MemoryStream();
        await body.CopyToAsync(buffer, ct);
        if (buffer.Length == 0)
            throw new PackFormatException(0, "it is empty.");
        _bytes += buffer.Length;
        return new ReceivedPack(1, buffer.Length);
    }

    public IReadOnlyList<StoredContent?> FindContent(IReadOnlyList<ContentDigest> digests) => [.. digests.Select(_ => (StoredContent?)null)];

    public async Task AddPathAsync(PathUpload upload, CancellationToken ct)
    {
        if (gate.OnAdd is not null)
            await gate.OnAdd(upload);
        Added.Add(upload);
    }

    public Task<DurableBundle> SealAsync(BundleHeader header, CancellationToken ct)
    {
        (Header, SealCalls) = (header, SealCalls + 1);
        return Task.FromResult(new DurableBundle("00", 1, Added.Count));
    }

    public ValueTask DisposeAsync()
    {
        Disposed = true;
        return ValueTask.CompletedTask;
    }
}
