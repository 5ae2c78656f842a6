using Xunit;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>
/// A data folder and what runs on it: a real actor system on a real SQLite journal, with stores in memory, or on disk when it is given a clock. Can be restarted.
/// </summary>
internal sealed class TestNode(TimeProvider? clock = null) : IAsyncDisposable
{
    public const string Fqrn = "test.example.org";

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-actors-").FullName;
    private IHost? _host;

    public FakeStores Stores { get; } = new();

    /// <summary>Another time than usual for superseded catalogs.</summary>
    public TimeSpan? CatalogsKeep { get; init; }

    /// <summary>Bytes of catalogs a second that commits may store.</summary>
    public long CatalogBytesPerSecond { get; init; }

    public IPublishingCore Core => _host!.Services.GetRequiredService<IPublishingCore>();

    public IReplicationCore Replication => _host!.Services.GetRequiredService<IReplicationCore>();

    public IRepositoryTags Tags => _host!.Services.GetRequiredService<IRepositoryTags>();

    public IRepositoryRetention Retention => _host!.Services.GetRequiredService<IRepositoryRetention>();

    public RepositoryStore Store => Core.Store(Fqrn);

    public DateTimeOffset Now => (clock ?? TimeProvider.System).GetUtcNow();

    /// <summary>What is served, also while the node does not run.</summary>
    public Manifest ServedManifest() => Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(Layout.RepositoryFolder(Fqrn), ".cvmfspublished"))).Manifest;

    /// <summary>Why the node that is being started is not ready; null before it can tell.</summary>
    public string? Problem() => _host?.Services.GetRequiredService<IPublishingCore>().NotReadyReason;

    /// <summary>What is served keeps the rules of the format.</summary>
    public void Audit() => Assert.Empty(CatalogAudit.Run(Layout.RepositoryFolder(Fqrn)).Findings);

    /// <summary>Waits for something that comes by itself.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        bounded.CancelAfter(TimeSpan.FromMinutes(1));
        while (!await condition())
            await Task.Delay(50, bounded.Token);
    }

    public string JournalFile => Path.Combine(_folder, "journal.db");

    public CoreOptions Options => new()
    {
        DataDirectory = _folder,
        KeysDirectory = Path.Combine(_folder, "keys"),
        RemotingPort = 0,
        Journal = new JournalOptions.Sqlite(JournalFile),
        EnqueueAgain = TimeSpan.FromMilliseconds(200),
        ReferenceWait = TimeSpan.FromMilliseconds(300),
        SnapshotEvery = 3,
        CatalogBytesPerSecond = CatalogBytesPerSecond,
        CatalogsKeep = CatalogsKeep ?? (clock is null ? TimeSpan.FromHours(1) : Keep),
        BundlesKeep = Keep,
        // Files have real times, whatever the clock of a test says.
        CollectEvery = TimeSpan.FromDays(36_500),
    };

    /// <summary>How long superseded catalogs and decided bundles are kept; short, because it also decides how often they are looked for.</summary>
    public static TimeSpan Keep { get; } = TimeSpan.FromSeconds(4);

    /// <summary>Where the stores lie.</summary>
    public StoreLayout Layout => new(_folder);

    /// <summary>A started, ready node with one repository.</summary>
    public static async Task<TestNode> StartedAsync(TimeProvider? clock = null)
    {
        var node = new TestNode(clock);
        await node.StartAsync();
        await node.Core.CreateRepositoryAsync(new CreateRepository(Fqrn), TestContext.Current.CancellationToken);
        return node;
    }

    public async Task StartAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddSimpleConsole();
        if (clock is null)
            builder.Services.AddSingleton<IRepositoryBackends>(Stores);
        else
            builder.Services.AddSingleton(clock);
        builder.Services.AddCvmfsNixCore(Options);
        _host = builder.Build();
        await _host.StartAsync(TestContext.Current.CancellationToken);
        var core = Core;
        var ready = core.ReadyAsync(TestContext.Current.CancellationToken);
        await Task.WhenAny(ready, core.WhenTerminated).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.True(ready.IsCompletedSuccessfully, "The node ended before it was ready.");
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

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public static SealTransaction Seal(string content, TransactionId? id = null, string builder = "b") =>
        new(Fqrn, id ?? TransactionId.Create(DateTimeOffset.UtcNow), Digest(content), content, 1, 1, builder);

    public static RequestDigest Digest(string content) => new(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));

    public IReadOnlyList<string> Rows(string sql)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.GetValue(i))));
        return rows;
    }

    public void Insert(string persistenceId, long sequenceNumber, string manifest, byte[] message)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid) VALUES (0, 0, $p, $s, $m, $k, 1001, 'other')";
        command.Parameters.AddWithValue("$p", persistenceId);
        command.Parameters.AddWithValue("$s", sequenceNumber);
        command.Parameters.AddWithValue("$m", message);
        command.Parameters.AddWithValue("$k", manifest);
        command.ExecuteNonQuery();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection($"Data Source={JournalFile};Pooling=False");
        connection.Open();
        return connection;
    }
}
