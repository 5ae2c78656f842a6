using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using CvmfsNix.Cluster.Benchmarks.Checking;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>The process that leads is killed, or asked to stop, while builders publish.</summary>
internal sealed partial class LeaderLoss : Benchmark
{
    private const string Repository = "leader.example.org";
    private static readonly TimeSpan Steady = TimeSpan.FromSeconds(3);

    // What nodes say on the way from one leader to the next.
    private static readonly (string Text, string Meaning)[] Milestones =
    [
        ("Marking node(s) as UNREACHABLE", "unreachable"),
        ("is no member any more", "put out"),
        ("This node leads", "leads"),
        ("takes transactions", "takes transactions"),
    ];

    public override string Name => "leader-loss";

    public override string Description => "64 builders publish; kill -9, then SIGTERM, of the process that leads, each 20 times: every gap between two answers; about 12 min";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string>
    {
        ["times"] = "of each kind (20)",
        ["builders"] = "at once (64)",
        ["kinds"] = "kill, stop or both (both)",
    };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        await using BenchmarkCluster cluster = await BenchmarkCluster.StartAsync(cancellationToken);
        string key = await cluster.CreateAsync(Repository, cancellationToken);
        using var pool = new BuilderPool(cluster.Nodes.Servers);
        await using var load = new SteadyLoad(pool, Repository, options.Number("builders", 64), cancellationToken);
        await load.ProgressAsync(Stopwatch.GetTimestamp(), cancellationToken);
        string kinds = options.Text("kinds", "both");
        foreach (bool kill in (bool[])[true, false])
        {
            if (kinds != "both" && kinds != (kill ? "kill" : "stop"))
                continue;
            var gaps = new List<double>();
            var ends = new List<double>();
            for (int i = 1; i <= options.Number("times", 20); i++)
            {
                (TimeSpan longest, TimeSpan end) = await LoseAsync(cluster, load, kill, i, cancellationToken);
                gaps.Add(longest.TotalSeconds);
                ends.Add(end.TotalSeconds);
            }

            if (gaps.Count > 0)
                Console.WriteLine(LoadReport.Text($"{(kill ? "kill -9" : "SIGTERM")}, {gaps.Count} times: longest time without an answer p50 {LoadReport.Percentile(gaps, 50):0.00} s, max {gaps.Max():0.00} s; from the {(kill ? "kill" : "signal")} to its end p50 {LoadReport.Percentile(ends, 50):0.00} s, max {ends.Max():0.00} s"));
        }

        await load.EndAsync();
        Console.WriteLine($"all in all: {LoadReport.Of([.. load.Answers])}");
        return await new LoadCheck(cluster, Repository, key).RunAsync(load.Answers, cancellationToken);
    }

    private static async Task<(TimeSpan Longest, TimeSpan End)> LoseAsync(BenchmarkCluster cluster, SteadyLoad load, bool kill, int number, CancellationToken cancellationToken)
    {
        await cluster.HealthyAsync(cancellationToken);
        await Task.Delay(Steady, cancellationToken);
        ClusterNode leader = await cluster.Nodes.LeaderAsync(cancellationToken);
        long gone = Stopwatch.GetTimestamp();
        DateTime goneAt = DateTime.UtcNow;
        if (kill)
            await leader.KillAsync();
        else
            await leader.StopAsync(cancellationToken);
        await load.ProgressAsync(gone, cancellationToken);
        // What was decided already is still answered for a while; then nothing, until the successor decides.
        (TimeSpan longest, TimeSpan end) = load.Gap(gone, Stopwatch.GetTimestamp());
        string milestones = string.Join(", ", cluster.Nodes.Nodes.Where(n => n != leader).SelectMany(n => Seen(n, goneAt)).GroupBy(m => m.Meaning)
            .Select(g => LoadReport.Text($"{g.Key} {g.Min(m => m.After):0.00}")));
        Console.WriteLine(LoadReport.Text($"{(kill ? "kill -9" : "SIGTERM")} {number}: longest time without an answer {longest.TotalSeconds:0.00} s, over after {end.TotalSeconds:0.00} s; seconds until {milestones}"));
        await leader.StartAsync(cancellationToken);
        return (longest, end);
    }

    private static IEnumerable<(string Meaning, double After)> Seen(ClusterNode node, DateTime since)
    {
        foreach (string line in node.LogTail(5_000).Split('\n'))
        {
            if (TimeOf().Match(line) is not { Success: true } time)
                continue;
            double after = (DateTime.Parse(time.Value, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal) - since).TotalSeconds;
            foreach ((string text, string meaning) in after > 0 ? Milestones : [])
            {
                if (line.Contains(text, StringComparison.Ordinal))
                    yield return (meaning, after);
            }
        }
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT[0-9:.]+Z")]
    private static partial Regex TimeOf();
}
