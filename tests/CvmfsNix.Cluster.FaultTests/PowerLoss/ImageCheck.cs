using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>Starts a node on a disk as a power cut left it, and holds it to what was acknowledged before the cut.</summary>
internal static class ImageCheck
{
    private const int TokenDigits = 64;

    /// <returns>Null when all is well, else what is wrong.</returns>
    public static async Task<string?> ProblemAsync(
        RecordedRun run, DiskModel disk, Cut cut, Func<int, int, bool> keeps, TimeSpan readyWithin, CancellationToken cancellationToken)
    {
        string image = run.Scratch[$"image-{Guid.NewGuid():N}"];
        disk.WriteImage(image, keeps);
        try
        {
            await CheckFolderAsync(run, Path.Combine(image, RecordedRun.FolderBelowRoot), cut, cancellationToken);
            CheckToken(Path.Combine(image, "data"));
            await CheckNodeAsync(run, new NodeSettings(Path.Combine(image, "data")) { ReadyWithin = readyWithin }, cut, cancellationToken);
            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{e.GetType().Name}: {e.Message}";
        }
        finally
        {
            if (Environment.GetEnvironmentVariable("CVMFSNIX_TEST_KEEP") is null)
                Directory.Delete(image, recursive: true);
        }
    }

    /// <summary>
    /// The repository folder as any web server would hand it out before a node has mended anything: not behind what the node had
    /// said to be in place, and whatever manifest lies there is signed and everything below it is whole.
    /// </summary>
    private static async Task CheckFolderAsync(RecordedRun run, string folder, Cut cut, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(folder, ".cvmfspublished")))
        {
            Assert.True(cut.ServedRevision == 0, $"The manifest is gone from the folder that served revision {cut.ServedRevision}.");
            return;
        }

        var checker = new RepositoryChecker(RecordedRun.Repository, run.Created.PublicKey, new HistoryLog());
        ulong revision = await checker.CheckEverythingAsync(folder, cancellationToken);
        Assert.True(revision >= cut.ServedRevision, $"The folder is back at revision {revision} after it served {cut.ServedRevision}.");
        Assert.True(File.Exists(Path.Combine(folder, ".cvmfs_master_replica")), "The folder no longer permits replication.");
    }

    /// <summary>The token is whole or not there; part of one, or an empty one, would be taken for a token.</summary>
    private static void CheckToken(string data)
    {
        string token = Path.Combine(data, "keys", "admin.token");
        Assert.True(!File.Exists(token) || File.ReadAllText(token).Trim().Length == TokenDigits, "The admin token is torn.");
    }

    private static async Task CheckNodeAsync(RecordedRun run, NodeSettings settings, Cut cut, CancellationToken cancellationToken)
    {
        await using NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken);
        NodeAddresses server = node.Addresses;
        string publicKey = cut.Created ? run.Created.PublicKey : await CreateAsync(server, cancellationToken);

        var history = new HistoryLog();
        foreach ((PlannedPublish publish, Acknowledgement answer) in run.Publishes.Take(cut.Publishes))
            history.Acknowledge(answer, run.Store.Closure(publish.Roots));
        var builder = new Builder(RecordedRun.Repository, run.Store, history);
        var checker = new RepositoryChecker(RecordedRun.Repository, publicKey, history);
        await checker.CheckEverythingAsync(server.Http, cancellationToken);

        if (cut.Publishes > 0)
        {
            // The history refuses an answer that is not the first one.
            PlannedPublish[] acknowledged = [.. run.Publishes.Take(cut.Publishes).Select(p => p.Publish)];
            CliResult again = await builder.PublishBatchAsync(server, acknowledged, acknowledged.Length, cancellationToken);
            Assert.True(again.ExitCode == 0, again.Output + again.Errors);
        }

        CliResult more = await builder.PublishAsync(server, run.Unpublished(cut.Publishes), cancellationToken);
        Assert.True(more.ExitCode == 0, more.Output + more.Errors);
        await checker.CheckEverythingAsync(server.Http, cancellationToken);
    }

    /// <summary>Before its creation was answered a repository may be there or not; the same command makes it, or says that it is there.</summary>
    private static async Task<string> CreateAsync(NodeAddresses server, CancellationToken cancellationToken)
    {
        await CliProcess.RunAsync(server, ["repo", "create", RecordedRun.Repository], cancellationToken);
        CliResult shown = await CliProcess.RunAsync(server, ["repo", "show", RecordedRun.Repository], cancellationToken);
        return shown.Document.GetProperty("publicKey").GetString()!;
    }
}
