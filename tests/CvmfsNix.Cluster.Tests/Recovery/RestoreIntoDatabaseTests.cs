using System.Runtime.Versioning;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Recovery;
using CvmfsNix.Cluster.Recovery.Restoring;
using CvmfsNix.Cluster.Tests.Actors.Journal;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Recovery;

/// <summary>A restore into a PostgreSQL database has two places that cannot change at once: wherever it is broken off, the same command ends it.</summary>
[SupportedOSPlatform("linux")]
public sealed class RestoreIntoDatabaseTests(BackedUpNode node, PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restore_that_was_killed_after_its_commit_is_ended_by_the_same_command()
    {
        string database = await postgres.NewDatabaseAsync(), data = node.NewData(), unfinished = Path.Combine(data, "restoring");
        RestoreRequest request = BackedUpNode.Restore(node.Backup, data) with { Journal = new JournalOptions.PostgreSql(postgres.Server.ConnectionString(database), Init: true) };
        await new RestoreRun(request, _ => { }).RunAsync(Ct);
        Assert.False(Path.Exists(unfinished) || Path.Exists(unfinished + ".done"));
        string restore = Assert.Single(await postgres.Server.QueryAsync(database, "SELECT id FROM cvmfsnix_restore", Ct));
        IReadOnlyList<string> rows = await RowsAsync(database);
        Assert.NotEmpty(rows);
        string[] files = Files(data);

        // As it is after the commit.
        Directory.CreateDirectory(unfinished);
        await File.WriteAllTextAsync(Path.Combine(unfinished, "placed"), $"{restore} {node.Manifest.Journal.Sha256}", Ct);
        var notes = new List<string>();
        await new RestoreRun(request, notes.Add).RunAsync(Ct);
        Assert.Equal(["it was restored, but for its last step"], notes);
        Assert.Equal(files, Files(data));
        Assert.Equal(rows, await RowsAsync(database));
        Assert.False(Path.Exists(unfinished) || Path.Exists(unfinished + ".done"));
    }

    [Theory]
    [InlineData("another", null)]
    [InlineData(null, "another")]
    [InlineData("", "")]
    public async Task A_database_that_another_restore_filled_is_left_alone(string? restore, string? journal)
    {
        string database = await postgres.NewDatabaseAsync(), data = node.NewData(), unfinished = Path.Combine(data, "restoring");
        RestoreRequest request = BackedUpNode.Restore(node.Backup, data) with { Journal = new JournalOptions.PostgreSql(postgres.Server.ConnectionString(database), Init: true) };
        await new RestoreRun(request, _ => { }).RunAsync(Ct);
        restore ??= Assert.Single(await postgres.Server.QueryAsync(database, "SELECT id FROM cvmfsnix_restore", Ct));
        journal ??= node.Manifest.Journal.Sha256;
        IReadOnlyList<string> rows = await RowsAsync(database);
        Directory.CreateDirectory(unfinished);
        if (restore.Length > 0)
            await File.WriteAllTextAsync(Path.Combine(unfinished, "placed"), $"{restore} {journal}", Ct);

        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(request, _ => { }).RunAsync(Ct));
        Assert.Equal(RecoveryCodes.TargetNotEmpty, refused.Code);
        Assert.True(Path.Exists(unfinished));
        Assert.Equal(rows, await RowsAsync(database));
    }

    private async Task<IReadOnlyList<string>> RowsAsync(string database) =>
        await postgres.Server.QueryAsync(database, "SELECT persistence_id, sequence_number, md5(message) FROM journal ORDER BY ordering", Ct);

    private static string[] Files(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal)];
}
