using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Model.Repositories;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>Whether this node takes publishes: looked at all the time. Thread-safe.</summary>
internal sealed class Readiness(CoreSystem core, CoreQuestions questions, LocalRepositories local, LoadedKeys keys, OpenHere open, CoreOptions options, TimeProvider clock) : BackgroundService
{
    /// <summary>A store that has not reached a known event for so long is not one to send readers to.</summary>
    private static readonly TimeSpan LagMax = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan WhileStarting = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan WhileReady = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<string, FollowLag> _lags = new(StringComparer.Ordinal);
    private string _reason = "The node is starting.";
    private HashSet<string> _taking = [];

    /// <summary>One line why not; empty when it does.</summary>
    public string Reason => Volatile.Read(ref _reason);

    /// <summary>The repositories that took publishes when the leader was last asked.</summary>
    public IReadOnlySet<string> Taking => Volatile.Read(ref _taking);

    /// <summary>Completes when it does for the first time.</summary>
    public Task FirstTime => _ready.Task;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            string reason = await ReasonAsync(stoppingToken).ConfigureAwait(false);
            Volatile.Write(ref _reason, reason);
            if (reason.Length == 0)
                _ready.TrySetResult();
            open.Sweep(options.OpenTransactionExpiry);
            await Task.Delay(reason.Length == 0 ? WhileReady : WhileStarting, stoppingToken).ConfigureAwait(false);
        }
    }

    private async Task<string> ReasonAsync(CancellationToken ct)
    {
        if (core.Joined is null)
            return core.Reason;
        if (!local.RegistryRead)
            return "The journal has not been read yet.";
        var leader = await questions.LeaderStatusAsync(ct).ConfigureAwait(false);
        Volatile.Write(ref _taking, leader is null ? [] : [.. leader.Writers.Where(w => w.Problem.Length == 0).Select(w => w.Repository.Value)]);
        if (leader is null)
            return "No leader answers.";
        foreach (var writer in leader.Writers)
        {
            if (writer.Problem.Length > 0)
                return $"{writer.Repository}: {writer.Problem}";
            if (local.Find(writer.Repository.Value) is not { CaughtUp: true } repository)
                return $"{writer.Repository}: this node's store has not caught up with the journal yet.";
            if (repository.Problem is { } problem)
                return $"{writer.Repository}: {problem}";
            if (LagOf(writer, repository) is var lag && lag > LagMax)
                return $"{writer.Repository}: this node's store is {writer.SequenceNumber - repository.SeenSequence} events behind the journal, for {lag.TotalSeconds:0} s; it serves revision {repository.Revision}.";
            // It may be this node's turn to lead at any moment.
            if (options.Seeds.Count > 0 && keys.TryLoad(writer.Repository.Value) is null)
                return $"{writer.Repository}: its signing key is not in {keys.Folder.Directory}. Copy it from the node that created the repository.";
        }

        return "";
    }

    private TimeSpan LagOf(RepositoryProtocol.WriterStatus writer, LocalRepository repository)
    {
        string name = writer.Repository.Value;
        if (!_lags.TryGetValue(name, out var lag))
            _lags[name] = lag = new FollowLag();
        return lag.Observe(writer.SequenceNumber, repository.SeenSequence, clock);
    }
}
