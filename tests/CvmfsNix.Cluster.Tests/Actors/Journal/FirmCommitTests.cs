using System.Data.Common;
using System.Runtime.Versioning;
using CvmfsNix.Cluster.Actors.Journal.Commits;
using CvmfsNix.Cluster.TestKit.Postgres;
using Npgsql;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Journal;

/// <summary>A primary whose synchronous standby is gone: commits wait for it.</summary>
[SupportedOSPlatform("linux")]
public sealed class FirmCommitTests : IAsyncLifetime
{
    private const string Database = "cvmfsnix";

    private PostgresServer? _server;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private PostgresServer Server
    {
        get
        {
            Assert.SkipWhen(_server is null, PostgresServer.Missing ?? "");
            return _server!;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (PostgresServer.Missing is not null)
            return;
        _server = await PostgresServer.StartAsync(null, Ct);
        await _server.QueryAsync(Database, "CREATE TABLE t (v int)", Ct);
        await _server.SetAsync("synchronous_standby_names", "gone", Ct);
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task The_driver_alone_ends_the_wait_with_success_which_is_why_all_this_is_needed()
    {
        await using var connection = new NpgsqlConnection(Limited);
        await connection.OpenAsync(Ct);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(Ct);
        await InsertAsync(connection, transaction);
        await transaction.CommitAsync(Ct);
        Assert.Equal(["1"], await VisibleAsync());
    }

    [Fact]
    public async Task A_commit_that_its_standby_does_not_have_is_neither_acknowledged_nor_visible_whoever_gives_up()
    {
        using var givesUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using (var connection = new FirmConnection(Limited, TimeSpan.FromSeconds(2)))
        {
            await connection.OpenAsync(Ct);
            await using DbTransaction transaction = await connection.BeginTransactionAsync(Ct);
            await InsertAsync(connection, transaction);
            Task commit = transaction.CommitAsync(givesUp.Token);
            await givesUp.CancelAsync();
            await Assert.ThrowsAsync<TimeoutException>(() => commit);
            // As the journal plugin does after a failure.
            await transaction.RollbackAsync(Ct);
        }

        Assert.Equal(["0"], await VisibleAsync());
        Assert.Equal(["1"], await Server.QueryAsync("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", Ct));

        // The standby is given up: what waited is there now.
        await Server.SetAsync("synchronous_standby_names", "", Ct);
        while ((await VisibleAsync())[0] == "0")
            await Task.Yield();
    }

    [Fact]
    public async Task A_statement_that_takes_as_long_as_its_limit_is_ended_and_its_transaction_not_committed()
    {
        await using var connection = new FirmConnection(Limited);
        await connection.OpenAsync(Ct);
        await using DbTransaction transaction = await connection.BeginTransactionAsync(Ct);
        await using DbCommand slow = connection.CreateCommand();
        (slow.CommandText, slow.Transaction) = ("SELECT pg_sleep(60)", transaction);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => slow.ExecuteNonQueryAsync(Ct));
        Assert.True(connection.Doubtful);
        await Assert.ThrowsAsync<TimeoutException>(() => transaction.CommitAsync(Ct));
    }

    private string Limited => Server.ConnectionString(Database) + ";Command Timeout=1;Pooling=False";

    private static async Task InsertAsync(DbConnection connection, DbTransaction transaction)
    {
        await using DbCommand insert = connection.CreateCommand();
        (insert.CommandText, insert.Transaction) = ("INSERT INTO t VALUES (1)", transaction);
        Assert.Equal(1, await insert.ExecuteNonQueryAsync(Ct));
    }

    private Task<IReadOnlyList<string>> VisibleAsync() => Server.QueryAsync(Database, "SELECT count(*) FROM t", Ct);
}
