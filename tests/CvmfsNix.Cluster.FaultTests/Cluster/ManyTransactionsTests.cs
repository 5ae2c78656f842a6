using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.BadInput;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>
/// A node after ten thousand transactions needs no more memory and no more time to start than after one thousand. That what is read at a start
/// is bounded is looked at in every run, by the tests of the actors; here it is measured.
/// </summary>
public sealed class ManyTransactionsTests(ITestOutputHelper output)
{
    private const string Fqrn = "many.example.org";
    private const int Few = 1_000;
    private const int Many = 10_000;
    private const double RatioMax = 1.25;
    private const int Starts = 5;

    // Past the retention of seven days and the hour that a slower clock is given.
    private static readonly TimeSpan Later = TimeSpan.FromDays(8);

    // Garbage is collected before much of it gathers, and code is compiled once: what is left is what is held.
    private static readonly Dictionary<string, string> OnlyWhatIsHeld = new()
    {
        ["DOTNET_GCgen0size"] = "1000000",
        ["DOTNET_TieredCompilation"] = "0",
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_thousand_transactions_cost_a_node_what_one_thousand_do()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: it measures");
        Costs few = await MeasureAsync(Few);
        Costs many = await MeasureAsync(Many);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"memory x{(double)many.Bytes / few.Bytes:0.00}, start x{many.Start / few.Start:0.00} once the retention is over; before it memory x{(double)many.BytesRemembered / few.BytesRemembered:0.00}, start x{many.StartRemembered / few.StartRemembered:0.00}"));
        Assert.InRange((double)many.Bytes / few.Bytes, 0, RatioMax);
        Assert.InRange(many.Start / few.Start, 0, RatioMax);
    }

    private sealed record Costs(long BytesRemembered, double StartRemembered, long Bytes, double Start);

    private async Task<Costs> MeasureAsync(int transactions)
    {
        using var scratch = new Scratch("many");
        ShiftedClock clock = await ShiftedClock.CompileAsync(scratch.Folder, Ct);
        var settings = new NodeSettings(scratch["data"]) { Environment = new Dictionary<string, string>(OnlyWhatIsHeld.Concat(clock.Environment)) };
        NodeProcess node = await NodeProcess.StartAsync(settings, Ct);
        try
        {
            await CreatedRepository.CreateAsync(node.Addresses, Fqrn, Ct);
            settings = settings with { Addresses = node.Addresses };
            long start = Stopwatch.GetTimestamp();
            await PublishAsync(scratch, clock, node, transactions, "first");
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            (node, long remembered, double startRemembered) = await RestartAsync(scratch, clock, settings, node, "remembered");

            clock.Shift(Later);
            (node, _, _) = await RestartAsync(scratch, clock, settings, node, "forget");
            (node, long bytes, double again) = await RestartAsync(scratch, clock, settings, node, "forgotten");
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{transactions} transactions in {seconds:0} s; remembered: {remembered >> 20} MiB, ready after {startRemembered:0.00} s; forgotten: {bytes >> 20} MiB, ready after {again:0.00} s"));
            return new Costs(remembered, startRemembered, bytes, again);
        }
        finally
        {
            await node.DisposeAsync();
        }
    }

    // The shortest of some starts, and what the last of them holds after it did some work.
    private async Task<(NodeProcess Node, long Bytes, double Start)> RestartAsync(Scratch scratch, ShiftedClock clock, NodeSettings settings, NodeProcess node, string name)
    {
        double shortest = double.MaxValue;
        for (int i = 0; i < Starts; i++)
        {
            Assert.Equal(0, await node.StopAsync(Ct));
            long start = Stopwatch.GetTimestamp();
            node = await NodeProcess.StartAsync(settings, Ct);
            shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        await PublishAsync(scratch, clock, node, 50, name);
        return (node, ResidentBytes(node.Id), shortest);
    }

    private static async Task PublishAsync(Scratch scratch, ShiftedClock clock, NodeProcess node, int count, string name)
    {
        var store = new SyntheticStore(scratch[name]);
        for (int i = 0; i < count; i++)
            await store.AddAsync($"{name} {i}", $"{name} {i}", [], 1, 200, Ct);
        store.Register();
        string file = scratch[name + ".batch"];
        foreach (PathInfo[] some in store.Paths.Chunk(Few))
        {
            await File.WriteAllLinesAsync(file, some.Select(p => JsonSerializer.Serialize(new { repository = Fqrn, paths = (string[])[SyntheticStore.FullPath(p.Path)], closure = true })), Ct);
            // Its ids carry the time it believes in.
            ProgramRun run = await ProgramRun.RunAsync(
                BuiltProgram.Cli, ["publish", "--batch", file, "--parallel", "32", .. store.Arguments, "--json", "--server", node.Addresses.Grpc], clock.Environment, Ct);
            Assert.Equal(some.Length, run.JsonLines.Count(l => l.GetProperty("status").GetString() == "committed"));
        }
    }

    private static long ResidentBytes(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
