using System.Collections.Concurrent;
using System.Threading.Channels;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// The mirror of this process: what its receivers say of themselves, for the surfaces, and the way to them, for whoever feeds it. Thread-safe.
/// </summary>
internal sealed class Mirror(MirrorOptions options, FetchSources sources, TimeProvider clock, ILogger log) : IMirror, IMirrorFeed, IDisposable
{
    private const int ScrubReportsMax = 256;
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<string, MirrorEntry> _entries = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, IActorRef> _receivers = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _openedAll = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<MirrorScrubReport> _scrubs = Channel.CreateBounded<MirrorScrubReport>(
        new BoundedChannelOptions(ScrubReportsMax) { FullMode = BoundedChannelFullMode.DropOldest });
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource _resync = new();
    private IReadOnlyList<string>? _foundAtStart;
    private Func<string, IActorRef>? _start;
    private long _version;
    private string _followed = "";
    private string _linkProblem = "The node is starting.";
    private bool _heardOfAll;

    public FetchSources Sources => sources;

    /// <summary>Reads the histories of the receivers; null before they run.</summary>
    public IJournalReader? Journal { get; set; }

    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    public IReadOnlyList<MirrorPosition> Positions => [.. _entries.Values.Select(e => e.Position).OrderBy(p => p.Repository, StringComparer.Ordinal)];

    public ChannelReader<MirrorScrubReport> ScrubReports => _scrubs.Reader;

    public string FollowedUrl
    {
        get
        {
            lock (_gate)
                return _followed;
        }
    }

    public string LinkProblem
    {
        get
        {
            lock (_gate)
                return _linkProblem;
        }
    }

    public CancellationToken Resync
    {
        get
        {
            lock (_gate)
                return _resync.Token;
        }
    }

    public string NotReadyReason
    {
        get
        {
            if (IsReady)
                return "";
            if (!_openedAll.Task.IsCompleted)
                return "What is here is being opened.";
            var positions = Positions;
            string waiting = string.Join(" ", positions.Where(p => p.Revision == 0).Select(Reason));
            if (LinkProblem is { Length: > 0 } problem)
                return waiting.Length > 0 ? $"{problem} {waiting}" : problem;
            return waiting.Length > 0 ? waiting : "The core has not told yet which repositories there are.";
        }
    }

    public Task ReadyAsync(CancellationToken cancellationToken) => _ready.Task.WaitAsync(cancellationToken);

    public Task OpenedAsync(CancellationToken cancellationToken) => _openedAll.Task.WaitAsync(cancellationToken);

    public RepositoryStore? Find(string repository) => _entries.GetValueOrDefault(repository)?.Open?.Store;

    /// <summary>The receivers can be started from now on; those of what is here already are.</summary>
    /// <param name="found">Repositories that are here.</param>
    /// <param name="start">Starts a receiver.</param>
    public void Begin(IReadOnlyList<string> found, Func<string, IActorRef> start)
    {
        lock (_gate)
            (_foundAtStart, _start) = (found, start);
        foreach (string repository in found)
            _ = ReceiverOf(repository);
        Weigh();
    }

    public MirrorEntry EntryOf(string repository) => _entries.GetOrAdd(repository, r => new MirrorEntry(r));

    public void Following(string url)
    {
        lock (_gate)
            (_followed, _linkProblem) = (url, "");
    }

    public void NotFollowing(string why)
    {
        bool followed;
        lock (_gate)
        {
            followed = _followed.Length > 0;
            (_followed, _linkProblem) = ("", why);
        }

        // Told when there is a stream again.
        if (!followed)
            return;
        foreach (var entry in _entries.Values)
            Note(entry, why);
    }

    /// <summary>A source of what is fetched failed, and the fetching goes on: said here, because nobody would know of it otherwise.</summary>
    public void Troubled(SourceTrouble trouble)
    {
        log.LogWarning("{Repository}: {Problem} It is asked for elsewhere, or again", trouble.Repository, trouble.Problem);
        Note(EntryOf(trouble.Repository), trouble.Problem);
    }

    public void HeardOfAll()
    {
        lock (_gate)
            _heardOfAll = true;
        Weigh();
    }

    public async ValueTask TellAsync(MirrorProtocol.IMirrorMessage message, CancellationToken cancellationToken)
    {
        var receiver = ReceiverOf(message.Repository);
        if (message is not MirrorProtocol.Arrived arrived)
        {
            receiver.Tell(message);
            return;
        }

        var entry = EntryOf(message.Repository);
        while (entry.Waiting >= options.EventsWaitingMax)
            await Task.Delay(RoomPause, cancellationToken).ConfigureAwait(false);
        receiver.Tell(arrived with { Event = entry.CountIn(arrived.Event, options.DeltaBytesMax) });
    }

    public async Task<long> ChangedAsync(long seen, CancellationToken cancellationToken)
    {
        Task changed;
        lock (_gate)
        {
            if (_version > seen)
                return _version;
            changed = _changed.Task;
        }

        await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
            return _version;
    }

    /// <summary>A receiver changed what is to be told of it.</summary>
    /// <param name="repository">Fully qualified name.</param>
    /// <param name="change">Makes the new position of the old one.</param>
    /// <param name="urgent">The other side should hear of it at once.</param>
    public void Update(string repository, Func<MirrorPosition, MirrorPosition> change, bool urgent = false)
    {
        EntryOf(repository).Update(change);
        if (urgent)
            Pulse();
        if (!IsReady)
            Weigh();
    }

    public void Report(MirrorScrubReport report)
    {
        _scrubs.Writer.TryWrite(report);
        Pulse();
    }

    /// <summary>Events were lost here: the stream has to begin again at what is in effect.</summary>
    public void AskResync()
    {
        CancellationTokenSource before;
        lock (_gate)
            (before, _resync) = (_resync, new CancellationTokenSource());
        before.Cancel();
        before.Dispose();
    }

    public void Dispose()
    {
        sources.Dispose();
        _resync.Dispose();
    }

    private void Note(MirrorEntry entry, string trouble)
    {
        var now = clock.GetUtcNow();
        entry.Update(p => p with { Trouble = trouble, TroubleAt = now });
    }

    private IActorRef ReceiverOf(string repository)
    {
        if (_receivers.TryGetValue(repository, out var found))
            return found;
        lock (_gate)
        {
            if (_receivers.TryGetValue(repository, out found))
                return found;
            _ = EntryOf(repository);
            return _receivers[repository] = (_start ?? throw new InvalidOperationException("The mirror has not begun."))(repository);
        }
    }

    private void Pulse()
    {
        TaskCompletionSource before;
        lock (_gate)
        {
            _version++;
            (before, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        before.TrySetResult();
    }

    // Ready: what was here is served; where nothing was here, everything the other side has is here once.
    private void Weigh()
    {
        bool heard;
        lock (_gate)
        {
            if (_foundAtStart is not { } found || found.Any(r => !EntryOf(r).Position.Opened))
                return;
            heard = _heardOfAll;
        }

        _openedAll.TrySetResult();
        var positions = Positions;
        if (positions.Any(p => p.Revision > 0 && p.ServedAt is null) || (heard && positions.All(p => p.Revision > 0)))
            _ready.TrySetResult();
    }

    private static string Reason(MirrorPosition position)
    {
        if (position.Problem.Length > 0)
            return $"{position.Repository}: {position.Problem}";
        return position.MissingObjects > 0
            ? $"{position.Repository}: the first copy is under way, {position.MissingObjects} objects ({position.MissingBytes} bytes) are known to be missing."
            : $"{position.Repository}: the first copy is under way.";
    }
}
