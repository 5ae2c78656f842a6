using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Recovering;

/// <summary>A backup of a node that goes on publishing is a node of that moment.</summary>
public sealed class BackupTests(ITestOutputHelper output)
{
    private const string Repository = "backup.example.org";

    [Fact]
    public async Task A_backup_taken_under_publishes_serves_the_same_revision_elsewhere_and_goes_on()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        using var scratch = new Scratch("backup");
        var history = new HistoryLog();
        var store = new SyntheticStore(scratch["store"]);
        var paths = new List<PathInfo>();
        for (int i = 0; i < 14; i++)
            paths.Add(await store.AddAsync($"backup {i}", $"backup {i}", i == 0 ? [] : [paths[i / 2].Path], 1 + (i % 9), 3000, cancellationToken));
        store.Register();
        var builder = new Builder(Repository, store, history);
        PlannedPublish[] planned = [.. paths.Take(13).Select(p => PlannedPublish.New(p.Path))];
        string backup = scratch["backups/first"];
        JsonElement taken;
        CreatedRepository repository;
        await using (NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), cancellationToken))
        {
            repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken);
            Assert.Equal(0, (await builder.PublishAsync(node.Addresses, planned[0], cancellationToken)).ExitCode);
            Task<CliResult> publishing = builder.PublishBatchAsync(node.Addresses, planned[1..], 3, cancellationToken);
            await Deadline.UntilAsync(() => Task.FromResult(publishing.IsCompleted || history.Acknowledged.Count >= 3), "builders are answered", cancellationToken);
            taken = (await CliProcess.RunAsync(null, ["backup", backup, "--data", scratch["data"], "--with-keys"], cancellationToken)).Document;
            CliResult published = await publishing;
            Assert.True(published.ExitCode == 0, published.Output + published.Errors);
            await node.KillAsync();
        }

        JsonElement held = Assert.Single(taken.GetProperty("repositories").EnumerateArray());
        ulong revision = held.GetProperty("revision").GetUInt64();
        output.WriteLine($"backup of revision {revision}, {history.HighestRevision} was reached");
        Assert.InRange(revision, 2UL, history.HighestRevision);
        CliResult restored = await CliProcess.RunAsync(null, ["restore", backup, "--data", scratch["elsewhere"]], cancellationToken);
        Assert.True(restored.ExitCode == 0, restored.Output + restored.Errors);
        CliResult again = await CliProcess.RunAsync(null, ["restore", backup, "--data", scratch["elsewhere"]], cancellationToken);
        Assert.Equal((1, "TargetNotEmpty"), (again.ExitCode, again.Lines.Single().GetProperty("error").GetProperty("code").GetString()));

        var since = new HistoryLog();
        foreach (Acknowledgement ack in history.Acknowledged.Where(a => a.Revision <= revision))
            since.Acknowledge(ack, store.Closure(planned.Single(p => p.Transaction == ack.Transaction).Roots));
        var checker = new RepositoryChecker(Repository, repository.PublicKey, since);
        await using NodeProcess other = await NodeProcess.StartAsync(new NodeSettings(scratch["elsewhere"]), cancellationToken);
        since.Saw(revision, held.GetProperty("rootHash").GetString()!);
        // Transactions that were sealed at that moment may be committed by now.
        (ulong served, string rootHash) = await checker.HeadAsync(other.Addresses.Http, cancellationToken);
        Assert.True(served >= revision);
        since.Saw(served, rootHash);
        await checker.CheckEverythingAsync(other.Addresses.Http, cancellationToken);

        // Answers of before are remembered, and new ones come.
        var builderAgain = new Builder(Repository, store, since);
        PlannedPublish[] known = [.. planned.Where(p => since.IsAcknowledged(p.Transaction))];
        Assert.Equal(0, (await builderAgain.PublishBatchAsync(other.Addresses, known, 2, cancellationToken)).ExitCode);
        CliResult next = await builderAgain.PublishAsync(other.Addresses, PlannedPublish.New(paths[13].Path), cancellationToken);
        Assert.True(next.Document.GetProperty("revision").GetUInt64() > revision);
        await checker.CheckEverythingAsync(other.Addresses.Http, cancellationToken);
    }
}
