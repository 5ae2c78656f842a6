using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>Runs the benchmarks of single parts, with time and allocated bytes of each.</summary>
internal static class PartRuns
{
    /// <summary>Name on the command line; what follows is for BenchmarkDotNet, <c>--filter</c> above all.</summary>
    public const string Command = "parts";

    /// <summary>Measures; 0 when every part that was chosen could be measured.</summary>
    public static int Run(string[] args)
    {
        // In this process: the programs are built already, with the settings of the solution.
        ManualConfig config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddExporter(MarkdownExporter.Console)
            .AddLogger(ConsoleLogger.Default)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "cvmfsnix-parts-reports"));
        Summary[] summaries = [.. BenchmarkSwitcher.FromAssembly(typeof(PartRuns).Assembly).Run(args.Length == 0 ? ["--filter", "*"] : args, config)];
        return summaries.Length > 0 && summaries.All(s => !s.HasCriticalValidationErrors && s.Reports.All(r => r.Success)) ? 0 : 1;
    }
}
