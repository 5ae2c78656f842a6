using System.Runtime.Versioning;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.TestKit.Postgres;
using Npgsql;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Journal;

[SupportedOSPlatform("linux")]
public sealed class PostgreSqlJournalTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_empty_database_is_refused_with_the_switch_that_creates_the_tables()
    {
        var e = await Assert.ThrowsAsync<JournalException>(async () => await (await JournalAsync(init: false)).Journal.PrepareAsync(Ct));
        Assert.Contains("--journal-init", e.Message);
    }

    [Fact]
    public async Task Many_nodes_create_the_tables_at_once_and_again()
    {
        (_, string database) = await JournalAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Of(database).PrepareAsync(Ct))));
        await Of(database).PrepareAsync(Ct);
        await Of(database, init: false).PrepareAsync(Ct);
        Assert.Equal(["1"], await postgres.Server.QueryAsync(database, "SELECT version FROM cvmfsnix_schema", Ct));
    }

    [Theory]
    [InlineData("ALTER TABLE journal DROP CONSTRAINT journal_uq")]
    [InlineData("ALTER TABLE journal DROP CONSTRAINT journal_uq; CREATE UNIQUE INDEX x ON journal (persistence_id, sequence_number) WHERE NOT deleted")]
    [InlineData("ALTER TABLE journal DROP CONSTRAINT journal_uq; CREATE UNIQUE INDEX x ON journal (persistence_id, sequence_number, ordering)")]
    [InlineData("ALTER TABLE journal DROP CONSTRAINT journal_uq; ALTER TABLE journal ADD CONSTRAINT x UNIQUE (persistence_id, sequence_number) DEFERRABLE")]
    public async Task A_table_in_which_two_leaders_could_both_commit_is_refused(string sql)
    {
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await journal.PrepareAsync(Ct);
        await postgres.Server.QueryAsync(database, sql, Ct);
        Assert.Contains("two leaders", (await Assert.ThrowsAsync<JournalException>(() => journal.PrepareAsync(Ct))).Message);
    }

    [Theory]
    [InlineData("off", "synchronous_commit=off")]
    [InlineData("local", "synchronous_commit=local")]
    [InlineData("remote_write", "synchronous_commit=remote_write")]
    public async Task Settings_that_lose_acknowledged_commits_are_refused_unless_told_otherwise(string value, string named)
    {
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await postgres.Server.QueryAsync(database, $"ALTER DATABASE {database} SET synchronous_commit = {value}", Ct);
        var e = await Assert.ThrowsAsync<JournalException>(() => journal.PrepareAsync(Ct));
        Assert.Contains(named, e.Message);
        Assert.Contains("--allow-unsafe-journal", e.Message);

        var notes = await new PostgreSqlJournal(postgres.Server.ConnectionString(database), true, allowUnsafe: true).PrepareAsync(Ct);
        Assert.Contains(notes, n => n.Contains(named));
    }

    [Fact]
    public async Task A_server_without_fsync_is_refused()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer unsafeServer = await PostgresServer.StartAsync(["fsync=off", "full_page_writes=off"], Ct);
        var e = await Assert.ThrowsAsync<JournalException>(() => new PostgreSqlJournal(unsafeServer.ConnectionString("cvmfsnix"), true, false).PrepareAsync(Ct));
        Assert.Contains("fsync=off", e.Message);
        Assert.Contains("full_page_writes=off", e.Message);
    }

    [Fact]
    public async Task A_database_that_does_not_exist_is_a_mistake_and_one_that_does_not_answer_is_waited_for()
    {
        var e = await Assert.ThrowsAsync<JournalException>(() => Of("nowhere").PrepareAsync(Ct));
        Assert.Contains("createdb", e.Message);
        await Assert.ThrowsAsync<JournalUnavailableException>(
            () => new PostgreSqlJournal("Host=127.0.0.1;Port=1;Username=postgres;Password=hunter22;Database=x", true, false).PrepareAsync(Ct));
    }

    [Fact]
    public void What_is_said_of_the_database_names_no_password()
    {
        var sessions = new PostgreSqlSessions("Host=db;Username=u;Password=hunter22;Database=x");
        Assert.DoesNotContain("hunter22", sessions.Where);
        Assert.DoesNotContain("hunter22", new PostgreSqlJournal("Host=db;Username=u;Password=hunter22;Database=x", true, false).ConnectionOf("a.writer").ToString());
        Assert.Contains("Target Session Attributes=read-write", new PostgreSqlSessions("Host=a,b;Database=x").ForPlugin("a.writer"), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_session_that_stands_still_before_its_commit_does_not_keep_a_number_from_the_next_writer()
    {
        const string Append = "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message) VALUES (0, false, 'repository-x', 1, '')";
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await journal.PrepareAsync(Ct);
        await using var frozen = new NpgsqlConnection(journal.ConnectionOf("akka.persistence.journal.writer").ConnectionString);
        await frozen.OpenAsync(Ct);
        await using NpgsqlTransaction never = await frozen.BeginTransactionAsync(Ct);
        await new NpgsqlCommand(Append, frozen).ExecuteNonQueryAsync(Ct);

        // Without a limit this waits until the frozen one goes on.
        await postgres.Server.QueryAsync(database, Append, Ct);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => never.CommitAsync(Ct));
        Assert.Equal(["1"], await postgres.Server.QueryAsync(database, "SELECT count(*) FROM journal", Ct));
    }

    [Fact]
    public async Task A_database_that_lacks_an_event_takes_none_that_comes_after_it()
    {
        static string Append(string numbers) => $"INSERT INTO journal (created, deleted, persistence_id, sequence_number, message) SELECT 0, false, 'repository-x', n, '' FROM unnest(ARRAY[{numbers}]) AS n";
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await journal.PrepareAsync(Ct);
        await postgres.Server.QueryAsync(database, Append("1, 2, 3"), Ct);
        foreach (string gap in (string[])["5", "4, 6"])
            await Assert.ThrowsAnyAsync<Exception>(() => postgres.Server.QueryAsync(database, Append(gap), Ct));
        await postgres.Server.QueryAsync(database, Append("4"), Ct);
        Assert.Equal(["4"], await postgres.Server.QueryAsync(database, "SELECT count(*) FROM journal", Ct));

        // Tables of an earlier version get it with --journal-init, and are refused without.
        await postgres.Server.QueryAsync(database, "DROP TRIGGER cvmfsnix_follows ON journal", Ct);
        await Assert.ThrowsAsync<JournalException>(() => new PostgreSqlJournal(postgres.Server.ConnectionString(database), false, false).PrepareAsync(Ct));
        await journal.PrepareAsync(Ct);
        await Assert.ThrowsAnyAsync<Exception>(() => postgres.Server.QueryAsync(database, Append("9"), Ct));
    }

    [Fact]
    public void What_the_operator_says_of_idle_transactions_stands()
    {
        string plugin = new PostgreSqlSessions("Host=db;Database=x;Options=-c idle_in_transaction_session_timeout=9000").ForPlugin("a.writer");
        Assert.Equal("-c idle_in_transaction_session_timeout=9000", new NpgsqlConnectionStringBuilder(plugin).Options);
    }

    [Fact]
    public async Task One_of_many_nodes_founds_and_the_others_see_it()
    {
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await journal.PrepareAsync(Ct);
        string[] nodes = [.. Enumerable.Range(0, 8).Select(i => $"node-{i}")];

        long?[] founded = await Task.WhenAll(nodes.Select(n => Task.Run(() => Of(database).Membership!.TryFoundAsync(0, n, TimeSpan.FromSeconds(6), Ct))));

        string founder = nodes[Array.IndexOf(founded, 1L)];
        Assert.Single(founded, f => f is not null);
        ClusterRecord record = await journal.Membership!.LookAsync(Ct);
        Assert.Equal((1L, founder), (record.Incarnation, record.Founder));
        Assert.Equal([founder], record.Members.Select(m => m.Address));
    }

    [Fact]
    public async Task A_living_member_keeps_others_from_founding_and_a_superseded_one_learns_it()
    {
        (PostgreSqlJournal journal, string database) = await JournalAsync();
        await journal.PrepareAsync(Ct);
        IMembershipTable table = journal.Membership!;
        Assert.Null(await table.BeatAsync(0, "early", Ct));
        Assert.Equal(1, await table.TryFoundAsync(0, "a", TimeSpan.FromSeconds(6), Ct));
        Assert.NotNull(await table.BeatAsync(1, "b", Ct));

        Assert.Null(await table.TryFoundAsync(1, "c", TimeSpan.FromSeconds(6), Ct));
        await postgres.Server.QueryAsync(database, "UPDATE cvmfsnix_member SET seen_at = now() - interval '7 s' WHERE address = 'a'", Ct);
        Assert.Null(await table.TryFoundAsync(1, "c", TimeSpan.FromSeconds(6), Ct));
        await postgres.Server.QueryAsync(database, "UPDATE cvmfsnix_member SET seen_at = now() - interval '7 s'", Ct);
        Assert.Null(await table.TryFoundAsync(0, "c", TimeSpan.FromSeconds(6), Ct));
        Assert.Equal(2, await table.TryFoundAsync(1, "c", TimeSpan.FromSeconds(6), Ct));

        Assert.Null(await table.BeatAsync(1, "a", Ct));
        Assert.Equal(["c"], (await table.LookAsync(Ct)).Members.Select(m => m.Address));
        await table.RemoveAsync("c", Ct);
        Assert.Empty((await table.LookAsync(Ct)).Members);
    }

    [Fact]
    public async Task The_databases_clock_is_told()
    {
        (PostgreSqlJournal journal, _) = await JournalAsync();
        var before = DateTimeOffset.UtcNow;
        Assert.InRange(await journal.NowAsync(Ct), before.AddSeconds(-1), DateTimeOffset.UtcNow.AddSeconds(1));
    }

    private async Task<(PostgreSqlJournal Journal, string Database)> JournalAsync(bool init = true)
    {
        string database = await postgres.NewDatabaseAsync();
        return (Of(database, init), database);
    }

    private PostgreSqlJournal Of(string database, bool init = true) => new(postgres.Server.ConnectionString(database), init, false);
}
