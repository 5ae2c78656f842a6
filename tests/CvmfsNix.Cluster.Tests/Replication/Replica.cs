using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

/// <summary>An empty store that follows a test repository, without a stream: the test says what to bring.</summary>
internal sealed class Replica : IAsyncDisposable
{
    public static readonly ReplicationLimits Limits = new()
    {
        Streams = 4,
        StallTimeout = TimeSpan.FromSeconds(5),
        Patience = TimeSpan.FromSeconds(2),
        DiskReserveBytes = 0,
    };

    private readonly string _folder;
    private readonly TestRepository _origin;

    private readonly SetClock _clock = new();
    private long _sequence;

    private Replica(TestRepository origin, RepositoryStore store, string folder, FetchSources sources, ReplicationLimits limits, IReadOnlyList<string>? keys)
    {
        _origin = origin;
        _folder = folder;
        Store = store;
        Sources = sources;
        Filler = new ReplicaFiller(store, keys ?? [origin.Keys.MasterPublicKeyPem], sources, limits, _clock);
    }

    public RepositoryStore Store { get; }

    /// <summary>How far the clock of the fillings is ahead of that of the files.</summary>
    public TimeSpan Ahead
    {
        set => _clock.Ahead = value;
    }

    public FetchSources Sources { get; }

    public ReplicaFiller Filler { get; }

    public string RepositoryFolder => Store.Layout.RepositoryFolder(TestRepository.Name);

    public static async Task<Replica> CreateAsync(TestRepository origin, SourceSet sources, ReplicationLimits? limits = null, IReadOnlyList<string>? keys = null)
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-replica-").FullName;
        RepositoryStore store = await RepositoryStore.OpenAsync(new StoreLayout(folder), origin.Format, TestContext.Current.CancellationToken);
        return new Replica(origin, store, folder, new FetchSources(limits ?? Limits, TimeProvider.System) { Set = sources }, limits ?? Limits, keys);
    }

    /// <summary>What a stream would tell of a revision; with hints, or as if it were far behind.</summary>
    public FillRequest RequestOf(CommittedRevision revision, bool hints) => new()
    {
        SignedManifest = revision.SignedManifest,
        Whitelist = _origin.Whitelist,
        Records = [revision.PathInfoDigest, revision.DeltaDigest],
        Hints = hints ? [.. DeltaFile.ReadObjects(_origin.Store.Blobs.OpenRead(revision.DeltaDigest)!, "delta")] : [],
        Catalogs = hints ? [new CatalogHint(_origin.Format.StoreRoot, revision.Head.StoreCatalog)] : [],
    };

    public Task<FillResult> FillAsync(CommittedRevision revision, bool hints = true, IProgress<FillProgress>? progress = null) =>
        Filler.FillAsync(RequestOf(revision, hints), progress, TestContext.Current.CancellationToken);

    /// <summary>Lets the revision take effect, as it does after a filling.</summary>
    public void Serve(CommittedRevision revision)
    {
        File.WriteAllBytes(Path.Combine(RepositoryFolder, ".cvmfswhitelist"), _origin.Whitelist);
        File.WriteAllBytes(Path.Combine(RepositoryFolder, ".cvmfspublished"), revision.SignedManifest.ToArray());
    }

    /// <summary>As a mirror does it after a filling.</summary>
    public Task<bool> FlipAsync(CommittedRevision revision) => Store.MirrorAsync(
        ++_sequence, new byte[] { 1 }, Manifest.ParseSigned(revision.SignedManifest), _origin.Whitelist, TestContext.Current.CancellationToken);

    /// <summary>Every object that a whole check of the revision misses here.</summary>
    public async Task<IReadOnlyList<string>> FindingsAsync(CommittedRevision revision)
    {
        string copy = Directory.CreateTempSubdirectory("cvmfsnix-served-").FullName;
        try
        {
            Directory.CreateSymbolicLink(Path.Combine(copy, "data"), Path.Combine(RepositoryFolder, "data"));
            File.WriteAllBytes(Path.Combine(copy, ".cvmfswhitelist"), _origin.Whitelist);
            File.WriteAllBytes(Path.Combine(copy, ".cvmfspublished"), revision.SignedManifest.ToArray());
            VerifyReport report = await RepositoryVerifier.RunAsync(
                new DirectorySource(copy), [_origin.Keys.MasterPublicKeyPem], new VerifyOptions { Deep = true }, null, TestContext.Current.CancellationToken);
            return [.. report.Findings.Select(f => f.ToString())];
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    /// <summary>Names of all objects here.</summary>
    public static HashSet<string> ObjectsIn(string repositoryFolder) =>
        [.. Directory.EnumerateDirectories(Path.Combine(repositoryFolder, "data")).Where(d => Path.GetFileName(d) != "txn").SelectMany(d => Directory.EnumerateFiles(d)).Select(f => Path.GetFileName(Path.GetDirectoryName(f)) + Path.GetFileName(f))];

    public bool Has(ObjectName name) => Store.Objects.Contains(name);

    public async ValueTask DisposeAsync()
    {
        Filler.Dispose();
        Sources.Dispose();
        await Store.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class SetClock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }
}
