using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Scrubbing;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Replication;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Mirrors;

/// <summary>
/// A mirror as it runs in a process, with its real journal and store, that fetches packs from a real origin over HTTP; a test speaks for the node it
/// follows. Each fetching can be held or made to fail.
/// </summary>
internal sealed class MirrorNode : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-mirror-").FullName;
    private readonly PackServer _server;
    private IHost? _host;

    private MirrorNode(TestRepository origin)
    {
        Origin = origin;
        _server = new PackServer(origin.Store);
    }

    public TestRepository Origin { get; }

    /// <summary>Called before each filling; by default nothing happens.</summary>
    public Func<FillRequest, CancellationToken, Task>? BeforeFilling { get; set; }

    /// <summary>Revisions that were asked of the engine, oldest first.</summary>
    public List<ulong> Filled { get; } = [];

    public IMirrorFeed Feed => _host!.Services.GetRequiredService<IMirrorFeed>();

    public IMirror Mirror => _host!.Services.GetRequiredService<IMirror>();

    public MirrorPosition Position => Mirror.Positions.Single(p => p.Repository == TestRepository.Name);

    public string RepositoryFolder => Path.Combine(_folder, "cvmfs", TestRepository.Name);

    public string KeysFolder => Path.Combine(_folder, "keys");

    public string IndexFolder => Path.Combine(_folder, "meta", TestRepository.Name);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<MirrorNode> StartedAsync()
    {
        var node = new MirrorNode(await TestRepository.CreateAsync(Ct));
        await node.StartAsync();
        return node;
    }

    public async Task StartAsync()
    {
        Directory.CreateDirectory(KeysFolder);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.Services.AddSingleton<MirrorEngines>(sp => (store, keys) => new HeldEngine(
            new PackEngine(store, keys, sp.GetRequiredService<IMirrorFeed>().Sources, ReplicationLimits.Default, TimeProvider.System), this));
        builder.Services.AddCvmfsNixMirror(new MirrorOptions
        {
            DataDirectory = _folder,
            KeysDirectory = KeysFolder,
            FarBehind = 20,
            SnapshotEvery = 3,
            RetryMin = TimeSpan.FromMilliseconds(20),
            RetryMax = TimeSpan.FromMilliseconds(100),
        });
        _host = builder.Build();
        Feed.Sources.Set = new SourceSet { Core = [_server.Url] };
        await _host.StartAsync(Ct);
        await Feed.OpenedAsync(Ct);
    }

    public async Task StopAsync()
    {
        if (_host is null)
            return;
        await _host.StopAsync(CancellationToken.None);
        if (_host is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
        _host = null;
    }

    /// <summary>Offers the repository as it stands at the origin.</summary>
    public Task OfferAsync(string? key = null, long? headSequence = null, string storeDirectory = "/nix/store") => TellAsync(new MirrorProtocol.Offered(
        new RepositoryDefinition(
            RepositoryId.Parse(TestRepository.Name), StoreDirectory.Parse(storeDirectory), Origin.Format.HashAlgorithm, Origin.Format.TtlSeconds, Origin.Format.NestedMinEntries, Origin.Format.Certificate),
        key ?? Origin.Keys.MasterPublicKeyPem,
        headSequence ?? Origin.Sequence,
        Origin.Head.Revision));

    public Task TellAsync(MirrorProtocol.IMirrorMessage message) => Feed.TellAsync(message, Ct).AsTask();

    /// <summary>Tells the events from one to another; the first is that of the creation.</summary>
    public async Task TellEventsAsync(long from, long to)
    {
        for (long sequence = from; sequence <= to; sequence++)
            await TellAsync(new MirrorProtocol.Arrived(TestRepository.Name, EventOf(sequence)));
    }

    /// <summary>Publishes at the origin; the sequence number of its event.</summary>
    public async Task<long> PublishAsync(string name)
    {
        await Origin.PublishAsync(Ct, SyntheticPath.Package(name, files: 12));
        return Origin.Sequence;
    }

    /// <summary>Events are revisions here, one each.</summary>
    public MirroredEvent EventOf(long sequence)
    {
        CommittedRevision revision = Origin.Revisions[(int)sequence - 1];
        return EventOf(sequence, revision, revision.Head.Revision - 1);
    }

    /// <summary>The event of a revision.</summary>
    public MirroredEvent EventOf(long sequence, CommittedRevision revision, ulong previous)
    {
        return new MirroredEvent(sequence, Origin.Now)
        {
            Manifest = new MirroredManifest(revision.Head.Revision, revision.SignedManifest, revision.Head.StoreCatalog)
            {
                Records = new RevisionRecords(revision.Head.Revision, previous, revision.PathInfoDigest, revision.DeltaDigest),
                Superseded = revision.Superseded,
            },
            Whitelist = sequence == 1 ? Origin.Whitelist : default,
        };
    }

    /// <summary>Waits until the position is as wanted.</summary>
    public async Task<MirrorPosition> UntilAsync(Func<MirrorPosition, bool> condition)
    {
        await TestNode.UntilAsync(() => Task.FromResult(Mirror.Positions.Any(p => p.Repository == TestRepository.Name && condition(p))));
        return Position;
    }

    /// <summary>Waits until an event is served and the mirror's journal says so: readers see it before that.</summary>
    public async Task UntilNotedAsync(long sequence)
    {
        await UntilAsync(p => p.Sequence == sequence && !p.Working);
        // It takes no message while it writes what it said then.
        ulong probe = Position.HeadRevision + 1;
        await TellAsync(new MirrorProtocol.HeadIs(TestRepository.Name, sequence, probe));
        await UntilAsync(p => p.HeadRevision >= probe);
    }

    /// <summary>Reads what is served as a client does, down to every byte; the revision.</summary>
    public async Task<ulong> ReadServedAsync()
    {
        VerifyReport report = await RepositoryVerifier.RunAsync(
            new DirectorySource(RepositoryFolder), [Origin.Keys.MasterPublicKeyPem], new VerifyOptions { Deep = true }, null, Ct);
        Assert.Empty(report.Findings);
        return Served();
    }

    /// <summary>The revision of the manifest that is served.</summary>
    public ulong Served() => Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(RepositoryFolder, ".cvmfspublished"))).Manifest.Revision;

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _server.DisposeAsync();
        await Origin.DisposeAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class HeldEngine(IMirrorEngine engine, MirrorNode node) : IMirrorEngine
    {
        public async Task<SignedManifest> FillAsync(FillRequest request, IProgress<FillProgress> progress, CancellationToken ct)
        {
            lock (node.Filled)
                node.Filled.Add(Manifest.ParseSigned(request.SignedManifest.ToArray()).Manifest.Revision);
            if (node.BeforeFilling is { } before)
                await before(request, ct);
            return await engine.FillAsync(request, progress, ct);
        }

        public Task FetchRecordsAsync(IReadOnlyList<string> digests, IProgress<FillProgress> progress, CancellationToken ct) => engine.FetchRecordsAsync(digests, progress, ct);

        public void CheckWhitelist(ReadOnlyMemory<byte> whitelist) => engine.CheckWhitelist(whitelist);

        public Task<ScrubResult> ScrubAsync(long bytesPerSecond, IProgress<ScrubProgress> progress, CancellationToken ct) => engine.ScrubAsync(bytesPerSecond, progress, ct);

        public void Dispose() => engine.Dispose();
    }
}
