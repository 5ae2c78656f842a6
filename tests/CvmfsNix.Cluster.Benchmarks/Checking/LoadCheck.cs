using System.Globalization;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Wire = CvmfsNix.Cluster.Actors.Serialization.Wire;

namespace CvmfsNix.Cluster.Benchmarks.Checking;

/// <summary>
/// Whether what was acknowledged is there: the journal has every transaction in exactly one revision, the one it was told; each of the three
/// stores is read to the last byte, by the checker, which recomputes the NAR hash of every path.
/// </summary>
internal sealed class LoadCheck(BenchmarkCluster cluster, string fqrn, string publicKey)
{
    private const int ProblemsShown = 10;

    /// <summary>Looks at everything; prints what is wrong, or one line.</summary>
    /// <returns>True when nothing is.</returns>
    public async Task<bool> RunAsync(IReadOnlyCollection<LoadAnswer> answers, CancellationToken cancellationToken)
    {
        List<string> problems = [.. await JournalAsync(answers, cancellationToken)];
        ulong newest = answers.Max(a => a.Revision);
        Dictionary<StorePathName, PathInfo> paths = answers.SelectMany(a => a.Publish.Infos).DistinctBy(i => i.Path).ToDictionary(i => i.Path);
        string registration = Path.Combine(cluster.Nodes.Folder, $"{fqrn}.registration");
        await using (var file = new StreamWriter(registration))
            Registration.Write(file, StoreDirectory.Default, paths.Values);
        string key = Path.Combine(cluster.Nodes.Folder, $"{fqrn}.pub");
        await File.WriteAllTextAsync(key, publicKey, cancellationToken);
        foreach (ClusterNode node in cluster.Nodes.Nodes)
        {
            (await cluster.Nodes.CliAsync(["wait", "--repo", fqrn, "--revision", newest.ToString(CultureInfo.InvariantCulture), "--json"], cancellationToken, node)).Succeeded();
            ProgramRun run = await ProgramRun.RunAsync(
                BuiltProgram.Cli,
                ["verify", Path.Combine(node.Data, "cvmfs", fqrn), "--pubkey", key, "--deep", "--registration", registration, "--json"],
                cancellationToken: cancellationToken);
            if (run.ExitCode != 0)
            {
                problems.Add($"node {node.Number}: {run.Output}{run.Errors}");
                continue;
            }

            long compared = run.Json.GetProperty("narPathsChecked").GetInt64();
            long unknown = run.Json.GetProperty("narPathsUnknown").GetInt64();
            if (compared != paths.Count || unknown != 0)
                problems.Add($"node {node.Number}: {compared} of {paths.Count} acknowledged paths are there, and {unknown} that nobody was told of");
        }

        foreach (string problem in problems.Take(ProblemsShown))
            Console.WriteLine($"WRONG: {problem}");
        if (problems.Count > ProblemsShown)
            Console.WriteLine($"WRONG: {problems.Count} problems in all");
        if (problems.Count == 0)
            Console.WriteLine($"checked: {answers.Count} transactions, each in one revision; {paths.Count} paths with their NAR hashes, and all else, on each of {cluster.Nodes.Nodes.Count} stores");
        return problems.Count == 0;
    }

    private async Task<IEnumerable<string>> JournalAsync(IReadOnlyCollection<LoadAnswer> answers, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> rows = await cluster.Postgres.QueryAsync(
            "cvmfsnix", $"SELECT encode(message, 'hex') FROM journal WHERE persistence_id = 'repository-{fqrn}' AND manifest = 'rr' ORDER BY sequence_number", cancellationToken);
        ILookup<string, ulong> revisions = rows
            .Select(row => Wire.RevisionCommitted.Parser.ParseFrom(Convert.FromHexString(row)))
            .SelectMany(e => e.Outcomes)
            .Select(WireMapping.FromWire)
            .Where(o => o is { Status: TransactionStatus.Committed, Unchanged: false })
            .ToLookup(o => o.Id.ToString(), o => o.Revision);
        return answers
            .Where(a => !revisions[a.Publish.Transaction].SequenceEqual([a.Revision]))
            .Select(a => $"transaction {a.Publish.Transaction} was told revision {a.Revision}, the journal has it in [{string.Join(", ", revisions[a.Publish.Transaction])}]");
    }
}
