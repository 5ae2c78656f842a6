using System.Globalization;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>
/// What the data ports give beside nginx on the very same files, driven by <c>wrk</c>: in turns, so that what else the machine does meets all of
/// them. nginx gets the archives, which a node puts together from objects, as files.
/// </summary>
internal sealed class Serving : Benchmark
{
    private const string Repository = "serving.example.org";
    private const string Cvmfs = "/cvmfs/" + Repository;
    private const string Nix = "/nix/" + Repository;
    private const int Rounds = 3;
    private const int SmallPaths = 40;
    private const int SmallFilesOfPath = 25;
    private const int LargeFiles = 8;
    private const int Samples = 12;

    public override string Name => "serving";

    public override string Description => "objects, manifest, narinfo and NARs of a node's and a mirror's data port beside nginx on the same files, by wrk; needs wrk and nginx; about 4 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["seconds"] = "of each measurement (3)",
        ["connections"] = "for small answers; large ones get a quarter (16)",
        ["only"] = "a part of the name of what is measured (all)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        if (await Wrk.MissingAsync(cancellationToken) is { } missing)
        {
            await Console.Error.WriteLineAsync(missing);
            return false;
        }

        (int seconds, int connections) = (options.Number("seconds", 3), options.Number("connections", 16));
        string only = options.Text("only", "");
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-serving-");
        try
        {
            await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(cancellationToken);
            (await node.CliAsync(["repo", "create", Repository], null, cancellationToken)).Succeeded();
            SyntheticPath[] small = [.. Enumerable.Range(0, SmallPaths).Select(SmallPath)];
            SyntheticPath[] large = [.. Enumerable.Range(0, LargeFiles).Select(i => LargePath(i, compressed: false))];
            SyntheticPath[] compressed = [.. Enumerable.Range(LargeFiles, LargeFiles).Select(i => LargePath(i, compressed: true))];
            using (var pool = new BuilderPool(node.Grpc))
            {
                foreach (SyntheticPath[] paths in (SyntheticPath[][])[small, .. large.Select(p => new[] { p }), .. compressed.Select(p => new[] { p })])
                    await pool.Builder("serving").PublishAsync(new LoadPublish(Repository, paths), cancellationToken);
            }

            await using EmbeddedNode mirror = await EmbeddedNode.StartQuietMirrorAsync(node, cancellationToken);
            using var http = new HttpClient();
            string[] smallNars = await CopyAsync(http, node.Http, folder.FullName, small, cancellationToken);
            string[] plainNars = await CopyAsync(http, node.Http, folder.FullName, large, cancellationToken);
            string[] compressedNars = await CopyAsync(http, node.Http, folder.FullName, compressed, cancellationToken);
            using NginxServer nginx = await NginxServer.StartAsync(
                folder.FullName, $"location /cvmfs/ {{ alias {node.Data}/cvmfs/; }} location /nix/ {{ alias {folder.FullName}/nix/; }}", cancellationToken);

            Subject[] subjects =
            [
                new("small objects, 2-8 KiB", ObjectsOf(small), connections),
                new(".cvmfspublished", [Cvmfs + "/.cvmfspublished"], connections),
                new("large objects, 4-16 MiB", ObjectsOf(large), connections / 4),
                new("narinfo", [.. small.Select(NarInfoOf)], connections),
                new("NARs of 25 small compressed files", smallNars, connections / 4),
                new("NARs of one large plain file", plainNars, connections / 4),
                new("NARs of one large compressed file", compressedNars, connections / 4),
            ];
            Server[] servers = [new("node", node.Http, () => [node.Id]), new("mirror", mirror.Http, () => [mirror.Id]), new("nginx", nginx.Url, () => nginx.Processes)];
            bool correct = true;
            var wrk = new Wrk(folder.FullName);
            foreach (Subject subject in subjects.Where(s => s.Name.Contains(only, StringComparison.Ordinal)))
            {
                correct &= await SameAsync(http, servers, subject, cancellationToken);
                correct &= await MeasureAsync(wrk, servers, subject, seconds, cancellationToken);
            }

            Console.WriteLine(LoadReport.Text(
                $"peak memory: node {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(node.Id))}, mirror {DiskUse.Mebibytes(MachineLoad.PeakResidentBytes(mirror.Id))}; load average {MachineLoad.Now} at the end"));
            return correct;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<bool> MeasureAsync(Wrk wrk, Server[] servers, Subject subject, int seconds, CancellationToken cancellationToken)
    {
        var results = servers.ToDictionary(s => s.Name, _ => new List<(WrkResult Result, double Processor)>());
        // Whatever is compiled or read for the first time is none of what is compared.
        foreach (Server server in servers)
            _ = await wrk.RunAsync(server.Url, subject.Paths, subject.Connections, seconds, cancellationToken);
        for (int round = 0; round < Rounds; round++)
        {
            foreach (Server server in servers)
            {
                double before = server.ProcessorSeconds;
                WrkResult result = await wrk.RunAsync(server.Url, subject.Paths, subject.Connections, seconds, cancellationToken);
                results[server.Name].Add((result, server.ProcessorSeconds - before));
            }
        }

        double nginx = Median(results["nginx"], r => r.Result.RequestsPerSecond);
        Console.WriteLine($"{subject.Name}, {subject.Connections} connections:");
        foreach ((string name, List<(WrkResult Result, double Processor)> all) in results)
        {
            double rate = Median(all, r => r.Result.RequestsPerSecond);
            Console.WriteLine(LoadReport.Text(
                $"    {name,-7} {rate,9:0.0} requests/s {Median(all, r => r.Result.MegabytesPerSecond),8:0.0} MB/s  p50 {Median(all, r => r.Result.P50):0.00} ms  p99 {Median(all, r => r.Result.P99):0.00} ms  {Median(all, r => r.Processor / r.Result.Requests * 1e6),8:0} us of processor a request  ratio {rate / nginx:0.00}"));
        }

        long errors = results.Values.SelectMany(r => r).Sum(r => r.Result.Errors);
        if (errors > 0)
            Console.WriteLine(LoadReport.Text($"    WRONG: {errors} errors"));
        return errors == 0;
    }

    // All servers answer the same bytes, as far as a sample tells.
    private static async Task<bool> SameAsync(HttpClient http, Server[] servers, Subject subject, CancellationToken cancellationToken)
    {
        foreach (string path in subject.Paths.Take(Samples))
        {
            byte[][] answers = await Task.WhenAll(servers.Select(s => http.GetByteArrayAsync(new Uri(s.Url + path), cancellationToken)));
            if (answers.Any(a => !a.AsSpan().SequenceEqual(answers[0])))
            {
                Console.WriteLine($"    WRONG: {path} is not the same at {string.Join(", ", servers.Select(s => s.Name))}");
                return false;
            }
        }

        return true;
    }

    // The files that nginx serves for a binary cache.
    private static async Task<string[]> CopyAsync(HttpClient http, string url, string folder, IEnumerable<SyntheticPath> paths, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory($"{folder}{Nix}/nar");
        var archives = new List<string>();
        foreach (SyntheticPath path in paths)
        {
            byte[] info = await http.GetByteArrayAsync(new Uri(url + NarInfoOf(path)), cancellationToken);
            await File.WriteAllBytesAsync(folder + NarInfoOf(path), info, cancellationToken);
            string line = System.Text.Encoding.ASCII.GetString(info).Split('\n').First(static l => l.StartsWith("URL: ", StringComparison.Ordinal));
            string archive = $"{Nix}/{line["URL: ".Length..]}";
            await File.WriteAllBytesAsync(folder + archive, await http.GetByteArrayAsync(new Uri(url + archive), cancellationToken), cancellationToken);
            archives.Add(archive);
        }

        return [.. archives];
    }

    private static string[] ObjectsOf(IEnumerable<SyntheticPath> paths) => [.. paths.SelectMany(p => p.Objects.Keys).Select(n => $"{Cvmfs}/{n.RelativePath}")];

    private static string NarInfoOf(SyntheticPath path) => $"{Nix}/{path.Path.Value.AsSpan(0, 32)}.narinfo";

    private static SyntheticPath SmallPath(int number)
    {
        var random = new Random(number);
        return SyntheticPath.Of(
            $"small-{number}",
            SyntheticTree.Directory([.. Enumerable.Range(0, SmallFilesOfPath).Select(i => ($"file{i:d2}", SyntheticTree.File(Text(random, random.Next(4 << 10, 15 << 10)))))]));
    }

    private static SyntheticPath LargePath(int number, bool compressed)
    {
        var random = new Random(number);
        int size = random.Next(4 << 20, 16 << 20);
        return SyntheticPath.Of($"large-{number}", SyntheticTree.Directory(("file", SyntheticTree.File(Text(random, size), compressed: compressed))));
    }

    // Shrinks to a little more than a half.
    private static string Text(Random random, int length) => string.Create(length, random, static (text, r) => r.GetItems("0123456789abcdef", text));

    private static double Median<T>(List<T> values, Func<T, double> of) => LoadReport.Percentile([.. values.Select(of)], 50);

    private sealed record Subject(string Name, IReadOnlyList<string> Paths, int Connections);

    private sealed record Server(string Name, string Url, Func<IEnumerable<int>> Processes)
    {
        public double ProcessorSeconds => MachineLoad.Seconds(Processes().Select(p => ("all", p))).Values.Sum();
    }
}
