using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>Writes a disk as a power cut left it, and has it judged.</summary>
internal static class ImageCheck
{
    /// <summary>Reads the disk without a node.</summary>
    /// <returns>Null when all is well, else what is wrong.</returns>
    public static Task<string?> JudgeAsync(
        RecordedRun run, DiskModel disk, Cut cut, Func<int, int, bool> keeps, CancellationToken cancellationToken) =>
        ProblemAsync(run, disk, keeps, image => run.Judge.CheckAsync(image, cut, cancellationToken), cancellationToken);

    /// <summary>Starts a node on the disk: it serves what was acknowledged, answers as before, and takes another publish.</summary>
    /// <returns>Null when all is well, else what is wrong.</returns>
    public static Task<string?> StartNodeAsync(
        RecordedRun run, DiskModel disk, Cut cut, Func<int, int, bool> keeps, CancellationToken cancellationToken) =>
        ProblemAsync(
            run, disk, keeps,
            image => CheckNodeAsync(run, new NodeSettings(Path.Combine(image, RecordedRun.DataBelowRoot)), cut, cancellationToken),
            cancellationToken);

    private static async Task<string?> ProblemAsync(
        RecordedRun run, DiskModel disk, Func<int, int, bool> keeps, Func<string, Task> check, CancellationToken cancellationToken)
    {
        string image = run.Scratch[$"image-{Guid.NewGuid():N}"];
        disk.WriteImage(image, keeps);
        try
        {
            await check(image);
            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{e.GetType().Name}: {e.Message.Replace(image, "", StringComparison.Ordinal)}";
        }
        finally
        {
            if (Environment.GetEnvironmentVariable("CVMFSNIX_TEST_KEEP") is null)
                Directory.Delete(image, recursive: true);
        }
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
