using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Ids;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Recovery;

/// <summary>A node with stores in memory over a journal of either kind, whose rows can be looked at from outside. Can be restarted.</summary>
internal sealed class RecoveryNode(JournalOptions journal, int snapshotEvery, TimeProvider? clock = null) : IAsyncDisposable
{
    public const string Fqrn = "recovery.example.org";

    public static readonly TimeSpan Retention = TimeSpan.FromDays(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-recovery-").FullName;
    private readonly FakeStores _stores = new();
    private IHost? _host;

    public IPublishingCore Core => _host!.Services.GetRequiredService<IPublishingCore>();

    public CoreOptions Options => new()
    {
        DataDirectory = _folder,
        KeysDirectory = Path.Combine(_folder, "keys"),
        RemotingPort = 0,
        Journal = journal,
        EnqueueAgain = TimeSpan.FromMilliseconds(200),
        LedgersLookEvery = TimeSpan.FromMilliseconds(200),
        SnapshotEvery = snapshotEvery,
        TransactionRetention = Retention,
    };

    public static JournalOptions Sqlite() => new JournalOptions.Sqlite(Path.Combine(Directory.CreateTempSubdirectory("cvmfsnix-recovery-").FullName, "journal.db"));

    /// <summary>A second look at the same journal, as another process has it.</summary>
    public IJournalDatabase Database => journal is JournalOptions.Sqlite sqlite
        ? new SqliteJournal(sqlite.File)
        : new PostgreSqlJournal(((JournalOptions.PostgreSql)journal).ConnectionString, false, false);

    public async Task StartAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Error).AddSimpleConsole();
        builder.Services.AddSingleton<IRepositoryBackends>(_stores);
        if (clock is not null)
            builder.Services.AddSingleton(clock);
        builder.Services.AddCvmfsNixCore(Options);
        _host = builder.Build();
        await _host.StartAsync(TestContext.Current.CancellationToken);
        await Core.ReadyAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(90), TestContext.Current.CancellationToken);
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

    /// <summary>Publishes something new.</summary>
    /// <param name="content">Of a word; names what is published.</param>
    /// <param name="bucket">The ledger it falls into; null for any.</param>
    public Task PublishAsync(string content, int? bucket = null)
    {
        var id = TransactionId.Create((clock ?? TimeProvider.System).GetUtcNow());
        if (bucket is { } wanted)
        {
            byte[] bytes = id.Value.ToByteArray(bigEndian: true);
            bytes[15] = (byte)wanted;
            id = TransactionId.From(new Guid(bytes, bigEndian: true));
        }

        return Core.SealAsync(new SealTransaction(Fqrn, id, TestNode.Digest(content), content, 1, 1, "b"), TestContext.Current.CancellationToken);
    }

    /// <summary>Rows of a query, columns separated by <c>|</c>.</summary>
    public async Task<IReadOnlyList<string>> RowsAsync(string sql)
    {
        await using System.Data.Common.DbConnection connection = journal is JournalOptions.Sqlite sqlite
            ? new SqliteConnection($"Data Source={sqlite.File};Pooling=False")
            : new NpgsqlConnection(((JournalOptions.PostgreSql)journal).ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var rows = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.GetValue(i) is byte[] bytes ? Convert.ToHexStringLower(bytes) : $"{reader.GetValue(i)}")));
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
        if (journal is JournalOptions.Sqlite sqlite)
            Directory.Delete(Path.GetDirectoryName(sqlite.File)!, recursive: true);
    }
}
