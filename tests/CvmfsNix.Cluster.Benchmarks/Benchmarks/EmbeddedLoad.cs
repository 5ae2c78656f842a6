using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>Many builders at once, on one node with SQLite.</summary>
internal sealed class EmbeddedLoad : Benchmark
{
    private const string Repository = "load.example.org";
    private const int LeastPublishes = 160;

    public override string Name => "embedded-load";

    public override string Description => "one node with SQLite: publishes a second and latency with 1, 8 and 64 builders at once; about 1 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["builders"] = "how many at once, one run for each number (1,8,64)",
        ["publishes"] = "of each builder, at least 160 of all of them (20)",
        ["rounds"] = "of the whole series, after one that only warms up (1)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        int publishes = options.Number("publishes", 20);
        await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync([], cancellationToken);
        (await node.CliAsync(["repo", "create", Repository], null, cancellationToken)).Succeeded();
        using var pool = new BuilderPool(node.Grpc);
        var all = new List<LoadAnswer>(await OverlappingLoad.RunAsync(pool, Repository, "warm", 32, 10, cancellationToken));
        Console.WriteLine($"warm-up: {LoadReport.Of(all)}");
        int series = 0;
        for (int round = 1; round <= options.Number("rounds", 1); round++)
        {
            foreach (int count in options.Numbers("builders", 1, 8, 64))
            {
                double before = Processor(node), busy = MachineLoad.BusySeconds();
                long start = Stopwatch.GetTimestamp();
                IReadOnlyList<LoadAnswer> answers = await OverlappingLoad.RunAsync(
                    pool, Repository, LoadReport.Text($"series-{++series}"), count, Math.Max(publishes, LeastPublishes / count), cancellationToken);
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                Console.WriteLine(LoadReport.Text(
                    $"{count} builders: {LoadReport.Of(answers)}\n    processor time of one publish: node {(Processor(node) - before) * 1000 / answers.Count:0.0} ms; the machine was busy for {(MachineLoad.BusySeconds() - busy) / seconds:0.00} of {Environment.ProcessorCount} processors; peak memory {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}"));
                all.AddRange(answers);
            }
        }

        return await CheckAsync(node, all, cancellationToken);
    }

    // Every acknowledged path is there with its NAR hash, and nothing else.
    private static async Task<bool> CheckAsync(EmbeddedNode node, List<LoadAnswer> answers, CancellationToken cancellationToken)
    {
        Dictionary<StorePathName, PathInfo> paths = answers.SelectMany(a => a.Publish.Infos).DistinctBy(i => i.Path).ToDictionary(i => i.Path);
        string registration = Path.Combine(node.Data, "registration");
        await using (var file = new StreamWriter(registration))
            Registration.Write(file, StoreDirectory.Default, paths.Values);
        ProgramRun run = await ProgramRun.RunAsync(
            BuiltProgram.Cli,
            ["verify", node.RepositoryFolder(Repository), "--pubkey", Path.Combine(node.KeyFolder, Repository + ".pub"), "--deep", "--registration", registration, "--json"],
            cancellationToken: cancellationToken);
        bool good = run.ExitCode == 0 && run.Json.GetProperty("narPathsChecked").GetInt64() == paths.Count && run.Json.GetProperty("narPathsUnknown").GetInt64() == 0;
        Console.WriteLine(good ? $"checked: {paths.Count} paths with their NAR hashes, and all else" : $"WRONG: {run.Output}{run.Errors}");
        return good;
    }

    private static double Processor(EmbeddedNode node) => MachineLoad.Seconds([("node", node.Id)])["node"];
}
