using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Ingesting;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>
/// Files shaped like store paths, published by one command, beside the least that any program has to do with them; then the same contents as
/// other paths, by a second builder. By turns, each with a node of its own.
/// </summary>
internal sealed class IngestCost : Benchmark
{
    private const string Repository = "ingest.example.org";

    public override string Name => "ingest";

    public override string Description => "20,000 files, 1.2 GiB, published by one command, beside a floor program; then the same contents by a second builder; about 5 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["files"] = "files (20000)",
        ["megabytes"] = "of all files together, MiB (1229)",
        ["paths"] = "store paths (200)",
        ["turns"] = "of each (3)",
        ["classic"] = "1: also what classic zlib level 6 makes of them, about 30 s more (1)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-ingest-").FullName;
        try
        {
            StoreLikeTree tree = await StoreLikeTree.MakeAsync(
                Path.Combine(folder, "source"), "ingest", options.Number("paths", 200), options.Number("files", 20_000), (long)options.Number("megabytes", 1229) << 20, cancellationToken);
            StoreLikeTree warm = await StoreLikeTree.MakeAsync(Path.Combine(folder, "warm"), "warm", 20, 1000, 20 << 20, cancellationToken);
            Console.WriteLine(LoadReport.Text($"{tree.Files} files in {tree.Paths.Count} store paths, {tree.Bytes / 1e6:0} MB; compressor of an ingest: {BlockCompressor.Best.Name}"));
            return await MeasureAsync(tree, warm, folder, options, cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> MeasureAsync(StoreLikeTree tree, StoreLikeTree warm, string folder, BenchmarkOptions options, CancellationToken cancellationToken)
    {
        // Nothing is deleted before the end: the file system looks long at each inode that was free a moment ago before it takes it again.
        List<EmbeddedNode> nodes = [];
        try
        {
            return await TurnsAsync(tree, warm, folder, nodes, options, cancellationToken);
        }
        finally
        {
            foreach (EmbeddedNode node in nodes)
                await node.DisposeAsync();
        }
    }

    private static async Task<bool> TurnsAsync(
        StoreLikeTree tree, StoreLikeTree warm, string folder, List<EmbeddedNode> nodes, BenchmarkOptions options, CancellationToken cancellationToken)
    {
        string store = tree.Root + "/nix/store";
        int floorsMade = 0;
        async Task<(MeasuredProcess Run, long StoredBytes)> FloorAsync(string compressor)
        {
            await SettleAsync(cancellationToken);
            return await IngestFloor.MeasureAsync(compressor, store, Path.Combine(folder, $"floor{++floorsMade}"), cancellationToken);
        }

        (_, long reference) = await FloorAsync(options.Number("classic", 1) == 1 ? "classic" : "runtime");
        List<double> floors = [];
        List<double> runtimes = [];
        List<double> firsts = [];
        List<double> seconds = [];
        long stored = 0;
        for (int turn = 0; turn < options.Number("turns", 3); turn++)
        {
            (MeasuredProcess floor, _) = await FloorAsync("same");
            floors.Add(floor.Seconds);
            (MeasuredProcess runtime, _) = await FloorAsync("runtime");
            runtimes.Add(runtime.Seconds);
            Console.WriteLine(LoadReport.Text($"turn {turn + 1}: floor {Text(floor, tree.Bytes)}; with the runtime's zlib level 6 {Text(runtime, tree.Bytes)}; load average {MachineLoad.Now}"));

            EmbeddedNode node = await EmbeddedNode.StartQuietAsync(cancellationToken);
            nodes.Add(node);
            string keyFile = Path.Combine(folder, "key.pub");
            await File.WriteAllTextAsync(
                keyFile, (await node.CliAsync(["repo", "create", Repository, "--json"], null, cancellationToken)).Json.GetProperty("publicKey").GetString(), cancellationToken);
            _ = await PublishAsync(node, warm, "a node's first publish", cancellationToken);
            long before = StoredBytes(node);
            (MeasuredProcess first, JsonElement firstAnswer) = await PublishAsync(node, tree, "first builder", cancellationToken);
            firsts.Add(first.Seconds);
            stored = StoredBytes(node) - before;

            tree.Rename();
            (MeasuredProcess second, JsonElement secondAnswer) = await PublishAsync(node, tree, "second builder", cancellationToken);
            seconds.Add(second.Seconds);
            ProgramRun verified = await ProgramRun.RunAsync(
                BuiltProgram.Cli, ["verify", node.RepositoryFolder(Repository), "--pubkey", keyFile, "--deep", "--registration", tree.Registration], null, cancellationToken);
            if (!Right(verified, tree, firstAnswer, secondAnswer))
                return false;
            await node.StopAsync(cancellationToken);
        }

        (double ours, double least, double again) = (LoadReport.Percentile(firsts, 50), LoadReport.Percentile(floors, 50), LoadReport.Percentile(seconds, 50));
        Console.WriteLine(LoadReport.Text($"medians: first builder {ours:0.00} s, {tree.Bytes / 1e6 / ours:0} MB/s; floor {least:0.00} s: {100 * least / ours:0} % of its speed; floor with the runtime's zlib {LoadReport.Percentile(runtimes, 50):0.00} s: {100 * LoadReport.Percentile(runtimes, 50) / ours:0} %"));
        Console.WriteLine(LoadReport.Text($"second builder {again:0.00} s, {ours / again:0.0} times as fast"));
        Console.WriteLine(LoadReport.Text($"stored {stored / 1e6:0.0} MB, {(double)stored / tree.Bytes:0.0000} of the files, catalogs included; {(options.Number("classic", 1) == 1 ? "classic zlib" : "the runtime's zlib")} level 6 makes {reference / 1e6:0.0} MB, {(double)reference / tree.Bytes:0.0000}: {100.0 * stored / reference - 100:+0.0;-0.0} %"));
        return true;
    }

    private static async Task<(MeasuredProcess Run, JsonElement Answer)> PublishAsync(EmbeddedNode node, StoreLikeTree tree, string who, CancellationToken cancellationToken)
    {
        await SettleAsync(cancellationToken);
        double before = MachineLoad.Seconds([("node", node.Id)])["node"];
        MeasuredProcess run = await MeasuredProcess.RunAsync(
            BuiltProgram.Cli,
            ["publish", "--repo", Repository, "--store-root", tree.Root, "--registration", tree.Registration, .. tree.Paths, "--json", "--server", node.Grpc],
            cancellationToken);
        double used = MachineLoad.Seconds([("node", node.Id)])["node"] - before;
        JsonElement answer = JsonDocument.Parse(run.Output).RootElement;
        Console.WriteLine(LoadReport.Text($"  {who}: {Text(run, tree.Bytes)}; node {used:0.0} s of processor, at most {Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}; {answer.GetProperty("objectsSent").GetInt64()} objects and {answer.GetProperty("bytesSent").GetInt64() / 1e6:0.0} MB sent; load average {MachineLoad.Now}"));
        return (run, answer);
    }

    private static bool Right(ProgramRun verified, StoreLikeTree tree, JsonElement first, JsonElement second)
    {
        bool right = verified.ExitCode == 0
            && first.GetProperty("pathsNew").GetInt32() == tree.Paths.Count && first.GetProperty("objectsSent").GetInt64() > 0
            && second.GetProperty("pathsNew").GetInt32() == tree.Paths.Count && second.GetProperty("objectsSent").GetInt64() == 0;
        if (!right)
            Console.Error.WriteLine($"not correct: {verified.Output}{verified.Errors}\n{first}\n{second}");
        return right;
    }

    private static long StoredBytes(EmbeddedNode node) =>
        new DirectoryInfo(Path.Combine(node.RepositoryFolder(Repository), "data")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static f => f.Length);

    // What was written before is not to be waited for by what is measured.
    private static async Task SettleAsync(CancellationToken cancellationToken) => _ = (await ProgramRun.RunAsync("sync", [], null, cancellationToken)).Succeeded();

    private static string Text(MeasuredProcess run, long bytes) =>
        LoadReport.Text($"{run.Seconds:0.00} s ({bytes / 1e6 / run.Seconds:0} MB/s), {run.Processor:0.0} s of processor, at most {Mebibytes(run.PeakBytes)}");

    private static string Mebibytes(long bytes) => LoadReport.Text($"{bytes / 1048576.0:0} MiB");
}
