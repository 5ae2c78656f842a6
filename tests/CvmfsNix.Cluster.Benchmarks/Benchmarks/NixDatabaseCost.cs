using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>What the database of Nix in the tree adds to a commit: time, and stored bytes beside those of the catalogs.</summary>
internal sealed class NixDatabaseCost : Benchmark
{
    private const int Commits = 60;
    private const int References = 5;

    // Longer than the pause that storing it brings with it at these sizes.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(700);

    public override string Name => "nix-database";

    public override string Description => "time and bytes that the database of Nix in the tree adds to a commit of one path, with 1,000 and 20,000 paths present; about 3 min";

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        foreach (int present in (int[])[1_000, 20_000])
        {
            var times = new Dictionary<string, List<double>>();
            var processor = new Dictionary<string, List<double>>();
            var pieces = new List<double>();
            var bytes = new List<double>();
            var roots = new Dictionary<bool, long>();
            long catalog = 0, size = 0;
            foreach (bool database in (bool[])[false, true])
            {
                await using TestRepository repository = await TestRepository.CreateAsync(cancellationToken, nixDatabase: database);
                await repository.PublishAsync(
                    cancellationToken,
                    [.. Enumerable.Range(0, present).Select(i => SyntheticPath.Of($"present{i}", SyntheticTree.Symlink($"target {i}"), Before("present", i)))]);
                await repository.FinishNixDatabaseAsync(cancellationToken);
                for (int i = 0; i < Commits; i++)
                {
                    // Every third comes after a rest and stores it, the others right behind and leave it.
                    if (i % 3 == 0)
                        await Task.Delay(Rest, cancellationToken);
                    CommitMember member = await repository.SealAsync([SyntheticPath.Package($"measured{i}", references: Before("present", present / 2 + i * 7))], cancellationToken);
                    long start = Stopwatch.GetTimestamp();
                    TimeSpan used = Environment.CpuUsage.TotalTime;
                    PreparedCommit prepared = await repository.PrepareAsync(cancellationToken, member);
                    double took = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                    CommittedRevision revision = prepared.Revision!;
                    string what = !database ? "without a database" : revision.Made.Count > 0 ? "with it stored" : "with it left for later";
                    if (times.TryAdd(what, []))
                        processor.Add(what, []);
                    times[what].Add(took);
                    processor[what].Add((Environment.CpuUsage.TotalTime - used).TotalMilliseconds);
                    if (revision.Made.Count > 0)
                    {
                        pieces.Add(revision.Made.Count);
                        bytes.Add(revision.Made.Sum(o => repository.Store.Objects.StoredSize(o) ?? 0));
                        size = Math.Max(size, repository.Store.NixDatabaseSize);
                    }

                    roots[database] = repository.Store.Objects.StoredSize(new ObjectName(revision.Head.RootHash, ObjectKind.Catalog)) ?? 0;
                    catalog = repository.Store.Objects.StoredSize(new ObjectName(revision.Head.StoreCatalog, ObjectKind.Catalog)) ?? 0;
                    await repository.CommitAsync(revision, cancellationToken);
                }
            }

            foreach ((string what, List<double> list) in times)
                Console.WriteLine(LoadReport.Text($"{present} paths present, {what}: median {LoadReport.Percentile(list, 50):0.0} ms, p90 {LoadReport.Percentile(list, 90):0.0} ms, processor {LoadReport.Percentile(processor[what], 50):0.0} ms, to prepare a commit of one path ({list.Count})"));
            Console.WriteLine(LoadReport.Text(
                $"{present} paths present: storing it added {LoadReport.Percentile(bytes, 50):0} bytes in {LoadReport.Percentile(pieces, 50):0} pieces (p90 {LoadReport.Percentile(bytes, 90):0}); the file has {size} bytes, the root catalog {roots[true]} stored instead of {roots[false]}, the store catalog {catalog}"));
        }

        return true;

        static IEnumerable<Nix.StorePaths.StorePathName> Before(string name, int i) => Enumerable.Range(1, References).Where(n => n <= i).Select(n => SyntheticPath.NameOf($"{name}{i - n}"));
    }
}
