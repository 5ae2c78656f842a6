using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Spooling;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Spooling;

/// <summary>A spool in a folder of its own, and what a test's publisher was asked for.</summary>
internal sealed class SpoolFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cvmfsnix-spool-");

    public SpoolFolder()
    {
        Spool = new Spool(_folder.FullName + "/spool");
        Spool.Create();
    }

    public Spool Spool { get; }

    /// <summary>Every request that reached the publisher, in order.</summary>
    public List<SpoolBatch> Asked { get; } = [];

    public List<PublishJson> Reported { get; } = [];

    public List<string> Warnings { get; } = [];

    /// <summary>What becomes of a request; null = committed.</summary>
    public Func<SpoolBatch, CliException?> Refuse { get; set; } = static _ => null;

    public IEnumerable<string> Entries => Spool.Waiting().Alone.Concat(Spool.Waiting().New);

    /// <summary>An entry as the hook leaves it, with a root for each path.</summary>
    public void Arrive(string name, params string[] paths)
    {
        string text = "cvmfsnix-spool 1\ndrv /nix/store/x.drv\n";
        for (int i = 0; i < paths.Length; i++)
        {
            string root = Root($"{name}-{i + 1}");
            File.CreateSymbolicLink(root, paths[i]);
            text += $"path {paths[i]}\nroot {root}\n";
        }

        File.WriteAllText($"{Spool.Arrivals}/{name}", text + "end\n");
    }

    public string Root(string name) => $"{_folder.FullName}/{name}";

    public Agent Agent(TimeProvider? clock = null) => new(
        Spool,
        "a.example.org",
        (batch, _) =>
        {
            Asked.Add(batch);
            if (Refuse(batch) is { } failure)
                throw failure;
            return Task.FromResult(new PublishJson { Repository = batch.Repository, Transaction = batch.Transaction, Status = "committed", Revision = (ulong)Asked.Count, PathsNew = batch.Paths.Count });
        },
        clock ?? TimeProvider.System,
        Reported.Add,
        Warnings.Add);

    public Task<int> DrainAsync() => Agent(new InstantClock()).DrainAsync(TestContext.Current.CancellationToken);

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>The system's clock, but no wait takes time.</summary>
    private sealed class InstantClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
