using System.Runtime.Versioning;
using CvmfsNix.Cluster.Benchmarks.Benchmarks;
using CvmfsNix.Cluster.Benchmarks.Ingesting;
using CvmfsNix.Cluster.Benchmarks.Mirrors;
using CvmfsNix.Cluster.Benchmarks.Parts;
using CvmfsNix.Cluster.Benchmarks.Running;

[assembly: SupportedOSPlatform("linux")]

namespace CvmfsNix.Cluster.Benchmarks;

/// <summary>Entry point: one named benchmark a run. What each measures is in docs/performance.md.</summary>
public static class Program
{
    /// <summary>Exit codes: 0 measured and correct, 1 something was wrong with what was measured, 2 wrong command line.</summary>
    public static async Task<int> Main(string[] args)
    {
        if (args is [PlainFetch.Command, .. var fetch])
            return await PlainFetch.RunAsync(fetch);
        if (args is [IngestFloor.Command, .. var floor])
            return IngestFloor.Run(floor);
        if (args is [PartRuns.Command, .. var parts])
            return PartRuns.Run(parts);
        if (args is [] or ["--help" or "-h"])
        {
            Console.WriteLine(Help());
            return args.Length == 0 ? 2 : 0;
        }

        Benchmark? benchmark = Benchmark.All.FirstOrDefault(b => b.Name == args[0]);
        if (benchmark is null)
        {
            Console.Error.WriteLine($"There is no benchmark '{args[0]}'.\n\n{Help()}");
            return 2;
        }

        try
        {
            var options = BenchmarkOptions.Parse(args[1..], benchmark.Options.Keys);
            await Console.Out.WriteLineAsync($"{benchmark.Name} on {Environment.ProcessorCount} processors, load average {MachineLoad.Now} before the start");
            using var stop = new CancellationTokenSource();
            Console.CancelKeyPress += (_, e) =>
            {
                e.Cancel = true;
                stop.Cancel();
            };
            return await benchmark.RunAsync(options, stop.Token) ? 0 : 1;
        }
        catch (BenchmarkUsageException e)
        {
            Console.Error.WriteLine($"{e.Message}\n\n{Help()}");
            return 2;
        }
    }

    private static string Help() => "bash tests/bench.sh NAME [--OPTION VALUE …]\n\n" + string.Join(
        "\n", [$"{PartRuns.Command}\n    single parts, by BenchmarkDotNet: time and allocations; about 5 min\n    --filter     which, as *Catalogs*\n", .. Benchmark.All.Select(b => $"{b.Name}\n    {b.Description}\n{string.Concat(b.Options.Select(o => $"    --{o.Key,-12} {o.Value}\n"))}")]);
}
