using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What it costs that every commit is checked before it is appended; checked and unchecked commits by turns.</summary>
internal sealed class CommitGuardCost : Benchmark
{
    private const int Commits = 40;

    public override string Name => "commit-guard";

    public override string Description => "time to prepare a commit of one path with the check of what it adds, and without; about 15 s";

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        foreach (int present in (int[])[100, 20_000])
        {
            await using TestRepository repository = await TestRepository.CreateAsync(cancellationToken);
            await repository.PublishAsync(cancellationToken, [.. Enumerable.Range(0, present).Select(i => SyntheticPath.Of($"present{i}", SyntheticTree.Symlink($"target {i}")))]);
            var times = new Dictionary<bool, List<double>> { [true] = [], [false] = [] };
            var processor = new Dictionary<bool, List<double>> { [true] = [], [false] = [] };
            for (int i = 0; i < Commits; i++)
            {
                CommitMember member = await repository.SealAsync([SyntheticPath.Package($"measured{i}")], cancellationToken);
                bool guarded = repository.Store.Commits.Guarded = i % 2 == 0;
                long start = Stopwatch.GetTimestamp();
                TimeSpan used = Environment.CpuUsage.TotalTime;
                PreparedCommit prepared = await repository.PrepareAsync(cancellationToken, member);
                times[guarded].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                processor[guarded].Add((Environment.CpuUsage.TotalTime - used).TotalMilliseconds);
                await repository.CommitAsync(prepared.Revision!, cancellationToken);
            }

            Console.WriteLine(LoadReport.Text(
                $"{present} paths present: guarded median {LoadReport.Percentile(times[true], 50):0.0} ms, unguarded {LoadReport.Percentile(times[false], 50):0.0} ms; processor {LoadReport.Percentile(processor[true], 50):0.0} and {LoadReport.Percentile(processor[false], 50):0.0} ms"));
        }

        return true;
    }
}
