using System.Collections.Concurrent;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>One intended publish: the same id and the same roots however often it is tried.</summary>
internal sealed record PlannedPublish(string Transaction, IReadOnlyList<StorePathName> Roots)
{
    public static PlannedPublish New(params IReadOnlyList<StorePathName> roots) => new(Guid.CreateVersion7().ToString(), roots);
}

/// <summary>Publishes from a synthetic store by the command line and writes the answers into a history.</summary>
internal sealed class Builder(string fqrn, SyntheticStore store, HistoryLog history)
{
    /// <summary>Errors that answers carried, by code and message.</summary>
    public ConcurrentDictionary<(string Code, string Message), int> Errors { get; } = new();

    /// <summary>One publish in a process of its own.</summary>
    /// <returns>The answer; it was entered into the history when the exit code was 0.</returns>
    public async Task<CliResult> PublishAsync(
        NodeAddresses server, PlannedPublish publish, CancellationToken cancellationToken, params string[] switches)
    {
        CliResult result = await CliProcess.RunAsync(
            server,
            ["publish", "--repo", fqrn, .. publish.Roots.Select(SyntheticStore.FullPath), "--transaction", publish.Transaction, .. store.Arguments, .. switches],
            cancellationToken);
        if (result.ExitCode == 0)
            Enter(result.Document, [publish]);
        return result;
    }

    /// <summary>Several publishes in one process, which goes on by itself when the node comes back.</summary>
    public async Task<CliResult> PublishBatchAsync(
        NodeAddresses server, IReadOnlyList<PlannedPublish> publishes, int parallel, CancellationToken cancellationToken)
    {
        IEnumerable<string> lines = publishes.Select(p => JsonSerializer.Serialize(new
        {
            transaction = p.Transaction,
            repository = fqrn,
            paths = p.Roots.Select(SyntheticStore.FullPath),
            closure = true,
        }));
        return await CliProcess.RunBatchAsync(
            server, [.. store.Arguments, "--parallel", parallel.ToString()], lines, answer => Enter(answer, publishes), cancellationToken);
    }

    private void Enter(JsonElement answer, IReadOnlyList<PlannedPublish> publishes)
    {
        if (answer.TryGetProperty("error", out JsonElement error))
        {
            Errors.AddOrUpdate((error.GetProperty("code").GetString() ?? "", error.GetProperty("message").GetString() ?? ""), 1, (_, n) => n + 1);
            return;
        }

        string transaction = answer.GetProperty("transaction").GetString()!;
        PlannedPublish publish = publishes.Single(p => p.Transaction == transaction);
        history.Acknowledge(
            new Acknowledgement(
                transaction,
                answer.GetProperty("status").GetString()!,
                answer.GetProperty("revision").GetUInt64(),
                answer.GetProperty("rootHash").GetString()!),
            store.Closure(publish.Roots));
    }
}
