using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>
/// Gets wanted items from whichever source has them, over several streams. An item goes from source to source until one has it; a source that fails loses
/// what was asked of it to the others at once, and rests; when all of them fail for long, the pool gives up. Bounded: who adds waits. Thread-safe.
/// </summary>
internal sealed class FetchPool : IAsyncDisposable
{
    private const int OutstandingMax = 16_384;
    private const int AddedAtOnce = 2048;
    private const int NowhereShown = 5;
    private const int WrongBytesMax = 10;

    // Smaller requests are not worth a stream of their own.
    private const long ShareMin = 64 << 10;

    private readonly ReplicaTarget _target;
    private readonly FetchSources _sources;
    private readonly ReplicationLimits _limits;
    private readonly TimeProvider _clock;
    private readonly FetchMeter _meter;
    private readonly Intake _intake;
    private readonly CancellationTokenSource _stop;
    private readonly SemaphoreSlim _room = new(OutstandingMax);
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly Dictionary<Source, Lane> _lanes = [];
    private readonly HashSet<StoreItem> _outstanding = [];
    private readonly List<Wanted> _parked = [];
    private readonly HashSet<Task> _running = [];
    private readonly List<string> _nowhere = [];
    private Task? _waking;
    private int _readyActive;
    private int _patientActive;
    private long _lastDelivery;
    private long _nowhereCount;
    private long _bytesFromSiblings;
    private long _bytes;

    public FetchPool(ReplicaTarget target, FetchSources sources, ReplicationLimits limits, TimeProvider clock, FetchMeter meter, CancellationToken cancellationToken)
    {
        _target = target;
        _sources = sources;
        _limits = limits;
        _clock = clock;
        _meter = meter;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _intake = new Intake(target, limits, OnSettled, Fail);
        _lastDelivery = clock.GetTimestamp();
    }

    /// <summary>Bytes of all answers.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Those of siblings.</summary>
    public long BytesFromSiblings => Interlocked.Read(ref _bytesFromSiblings);

    /// <summary>Gets what is asked for, from any thread.</summary>
    public Action<StoreItem>? Adding { get; set; }

    /// <summary>Whether an object that came as a hint turned out not to inflate.</summary>
    public bool IsRaw(ObjectName name) => _intake.IsRaw(name);

    /// <summary>Asks for items. One that is on its way already is not asked for again, and then is not part of the group.</summary>
    /// <param name="wanted">All at once, so that requests are made of all of them.</param>
    /// <exception cref="ReplicationException">The pool has given up.</exception>
    public async ValueTask AddAsync(IEnumerable<Wanted> wanted)
    {
        foreach (Wanted[] part in wanted.Chunk(AddedAtOnce))
        {
            for (int i = 0; i < part.Length; i++)
                await TakeRoomAsync().ConfigureAwait(false);
            lock (_gate)
            {
                if (_outstanding.Count == 0)
                    Interlocked.Exchange(ref _lastDelivery, _clock.GetTimestamp());
                foreach (Wanted item in part)
                {
                    if (_outstanding.Add(item.Item))
                    {
                        item.Group.Add();
                        Adding?.Invoke(item.Item);
                        _meter.Missing(item.Bytes);
                        Route(item);
                    }
                    else
                    {
                        _room.Release();
                    }
                }

                PumpAll();
            }
        }
    }

    /// <summary>Ends when all of a group is durable or was found to be nowhere.</summary>
    /// <exception cref="ReplicationException">The pool has given up.</exception>
    public async Task WaitAsync(FetchGroup group)
    {
        group.Seal();
        if (group.HasCome)
            _intake.Flush();
        try
        {
            Task first = await Task.WhenAny(group.Completion, _failed.Task).WaitAsync(_stop.Token).ConfigureAwait(false);
            await first.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_failed.Task.IsFaulted)
        {
            await _failed.Task.ConfigureAwait(false);
        }
    }

    /// <summary>What was needed and is on no source; throws when there is any.</summary>
    /// <param name="purpose">As in "revision 7 of x.example.org".</param>
    /// <exception cref="ReplicationException">Something is on no source.</exception>
    public void ThrowIfNowhere(string purpose)
    {
        lock (_gate)
        {
            if (_nowhereCount > 0)
            {
                throw new ReplicationException(
                    ReplicationFailure.SourcesLack,
                    $"{_nowhereCount} of the files of {purpose} are on none of the sources ({string.Join(", ", _sources.Plan.Sources.Select(s => s.Url))}): {string.Join(", ", _nowhere)}{(_nowhereCount > _nowhere.Count ? ", …" : "")}.");
            }
        }
    }

    /// <summary>Stops what runs and throws away what is not complete.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        while (true)
        {
            Task[] running;
            lock (_gate)
                running = [.. _running, .. _waking is null ? [] : (Task[])[_waking]];
            await Task.WhenAll(running).ConfigureAwait(false);
            lock (_gate)
            {
                if (_running.Count == 0)
                    break;
            }
        }

        await _intake.DisposeAsync().ConfigureAwait(false);
        _ = _failed.Task.Exception;
        _stop.Dispose();
        _room.Dispose();
    }

    private async ValueTask TakeRoomAsync()
    {
        try
        {
            await _room.WaitAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_failed.Task.IsFaulted)
        {
            await _failed.Task.ConfigureAwait(false);
        }
    }

    private void Fail(Exception e)
    {
        // Not here and now: locks are held, and whoever is stopped does not expect that.
        if (_failed.TrySetException(e))
            _ = _stop.CancelAsync();
    }

    private void OnSettled(Wanted wanted, long stored)
    {
        lock (_gate)
            _outstanding.Remove(wanted.Item);
        _meter.Settled(true, wanted.Bytes, stored);
        wanted.Group.Settle();
    }

    // Under the lock.
    private void Route(Wanted wanted)
    {
        SourcePlan plan = _sources.Plan;
        if (wanted.PlanVersion != plan.Version)
            (wanted.PlanVersion, wanted.Asked, wanted.Failed) = (plan.Version, 0, 0);
        (int place, bool wait) = plan.Next(wanted.Item, wanted.Asked);
        if (place >= 0)
        {
            Source source = plan.Sources[place];
            if (!_lanes.TryGetValue(source, out Lane? lane))
                _lanes.Add(source, lane = new Lane(source));
            lane.Add(wanted, wait);
        }
        else if (plan.IsNowhere(wanted))
        {
            Nowhere(wanted);
        }
        else
        {
            Park(wanted, plan);
        }
    }

    // Under the lock. Some source that may have it has failed: it is asked again when it has rested.
    private void Park(Wanted wanted, SourcePlan plan)
    {
        wanted.Asked &= ~wanted.Failed;
        wanted.Failed = 0;
        if (_clock.GetElapsedTime(_lastDelivery) > _limits.Patience)
        {
            string problems = plan.Sources.Count == 0 ? "no source is known" : string.Join(" ", plan.Sources.Select(s => s.LastProblem).OfType<string>().Distinct());
            Fail(new ReplicationException(ReplicationFailure.SourcesUnreachable, $"{_target.Repository} cannot be fetched: for {_limits.Patience.TotalSeconds:0} s nothing came. {problems}"));
            return;
        }

        _parked.Add(wanted);
        _waking ??= WakeAsync();
    }

    private async Task WakeAsync()
    {
        try
        {
            while (true)
            {
                TimeSpan rest = TimeSpan.FromMilliseconds(250);
                DateTimeOffset now = _clock.GetUtcNow();
                foreach (Source source in _sources.Plan.Sources)
                {
                    TimeSpan left = source.RestUntil - now;
                    if (left > TimeSpan.Zero && left < rest)
                        rest = left;
                }

                await Task.Delay(rest + TimeSpan.FromMilliseconds(1), _clock, _stop.Token).ConfigureAwait(false);
                lock (_gate)
                {
                    Wanted[] parked = [.. _parked];
                    _parked.Clear();
                    foreach (Wanted wanted in parked)
                        Route(wanted);
                    PumpAll();
                    if (_parked.Count > 0)
                        continue;
                    _waking = null;
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The pool ends.
        }
    }

    // Under the lock.
    private void Nowhere(Wanted wanted)
    {
        if (!wanted.Optional)
        {
            _nowhereCount++;
            if (_nowhere.Count < NowhereShown)
                _nowhere.Add(wanted.Item.ToString());
        }

        _outstanding.Remove(wanted.Item);
        _room.Release();
        _meter.Settled(false, wanted.Bytes, 0);
        wanted.Group.Come();
        wanted.Group.Settle();
        if (wanted.Group.HasCome)
            _intake.Flush();
    }

    // Under the lock.
    private void PumpAll()
    {
        foreach (Lane lane in _lanes.Values)
        {
            while (lane.Active < lane.Source.Streams && lane.Starting < lane.StreamsUseful(ShareMin) && !_stop.IsCancellationRequested)
            {
                lane.Active++;
                lane.Starting++;
                var started = new TaskCompletionSource();
                Task? run = null;
                run = Task.Run(async () =>
                {
                    await started.Task.ConfigureAwait(false);
                    await RunAsync(lane).ConfigureAwait(false);
                    lock (_gate)
                        _running.Remove(run!);
                });
                _running.Add(run);
                started.SetResult();
            }
        }
    }

    private async Task RunAsync(Lane lane)
    {
        bool fresh = true;
        while (true)
        {
            List<Wanted> batch;
            bool wait;
            lock (_gate)
            {
                if (fresh)
                    lane.Starting--;
                fresh = false;
                (batch, wait) = _stop.IsCancellationRequested ? ([], false) : lane.Take(ShareMin);
                if (batch.Count == 0)
                {
                    lane.Active--;
                    return;
                }

                if (wait)
                    _patientActive++;
                else
                    _readyActive++;
            }

            try
            {
                await AskAsync(lane.Source, batch, wait).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // What ended the pool is known to whoever waits for it.
            }
            catch (Exception e)
            {
                Fail(e);
            }

            lock (_gate)
            {
                if (wait)
                    _patientActive--;
                else
                    _readyActive--;
                // Siblings wait for what came as this one waits for theirs: it must not lie in a batch that fills only with what they have.
                if (_readyActive == 0 && (_patientActive > 0 || _lanes.Values.Any(l => l.HasPatient)) && !_lanes.Values.Any(l => l.HasReady))
                    _intake.Flush();
            }
        }
    }

    private async Task AskAsync(Source source, List<Wanted> batch, bool wait)
    {
        var left = new HashSet<Wanted>(batch);
        var wrong = new HashSet<Wanted>();
        string? problem = null;
        string? wrongBytes = null;
        var job = new FetchJob
        {
            Repository = _target.Repository,
            Items = batch,
            Wait = wait ? _limits.SiblingWait : TimeSpan.Zero,
            OpenBase = _target.OpenRead,
            ReceiveAsync = ReceiveAsync,
        };
        try
        {
            await source.FetchAsync(job, _stop.Token).ConfigureAwait(false);
            source.Succeeded();
            if (wrongBytes is not null)
                source.Note($"{source.Url} sent damaged bytes: {wrongBytes}");
            if (wait && left.Count > batch.Count / 2)
                source.WaitedInVain();
        }
        catch (SourceException e)
        {
            problem = e.Message;
            if (source.Failed(e.Message))
                Tell(e.Message);
        }
        finally
        {
            Interlocked.Add(ref _bytes, job.BytesReceived);
            if (source.IsSibling)
                Interlocked.Add(ref _bytesFromSiblings, job.BytesReceived);
            if (wrongBytes is not null)
                Tell($"{source.Url} sent damaged bytes: {wrongBytes}");
        }

        lock (_gate)
        {
            SourcePlan plan = _sources.Plan;
            foreach (Wanted wanted in left)
            {
                plan.Asked(wanted, source, failed: problem is not null || wrong.Contains(wanted));
                Route(wanted);
            }

            if (problem is not null && _lanes.TryGetValue(source, out Lane? lane))
            {
                // What waits for a source that failed does not wait for it to fail again.
                foreach (Wanted wanted in lane.Clear())
                    Route(wanted);
            }

            PumpAll();
        }

        void Tell(string what) => _sources.Troubled?.Invoke(new SourceTrouble(_target.Repository, source.Url, what));

        async Task ReceiveAsync(Wanted wanted, long size, Stream content, CancellationToken cancellationToken)
        {
            try
            {
                await _intake.ReceiveAsync(wanted, size, content, cancellationToken).ConfigureAwait(false);
                left.Remove(wanted);
                Interlocked.Exchange(ref _lastDelivery, _clock.GetTimestamp());
                _room.Release();
            }
            catch (WrongBytesException) when (wanted.Base is not null)
            {
                // A patch that does not fit: all of it is asked for, of the same source.
                wanted.Base = null;
                left.Remove(wanted);
                lock (_gate)
                    Route(wanted);
            }
            catch (WrongBytesException e)
            {
                wrong.Add(wanted);
                wrongBytes = e.Message;
                if (++wanted.WrongBytes >= WrongBytesMax)
                    throw new ReplicationException(ReplicationFailure.SourcesUnreachable, $"{wanted.Item} of {_target.Repository} came damaged {wanted.WrongBytes} times, the last time from {source.Url}: {e.Message}", e);
            }
        }
    }

    /// <summary>What waits to be asked of one source.</summary>
    private sealed class Lane(Source source)
    {
        private readonly Queue<Wanted> _ready = new();
        private readonly Queue<Wanted> _patient = new();
        private long _readyBytes;
        private long _patientBytes;

        public Source Source => source;

        public int Active { get; set; }

        public bool HasReady => _ready.Count > 0;

        public bool HasPatient => _patient.Count > 0;

        /// <summary>Of those, streams that have not taken anything yet.</summary>
        public int Starting { get; set; }

        /// <summary>Streams that what waits is worth.</summary>
        public long StreamsUseful(long shareMin) => Math.Min(_ready.Count + _patient.Count, 1 + ((_readyBytes + _patientBytes) / shareMin));

        public void Add(Wanted wanted, bool wait)
        {
            (wait ? _patient : _ready).Enqueue(wanted);
            if (wait)
                _patientBytes += Weight(wanted);
            else
                _readyBytes += Weight(wanted);
        }

        public (List<Wanted> Batch, bool Wait) Take(long shareMin)
        {
            // What is waited for comes last: it holds a stream for a while.
            bool wait = _ready.Count == 0;
            Queue<Wanted> queue = wait ? _patient : _ready;
            ref long bytes = ref wait ? ref _patientBytes : ref _readyBytes;
            long goal = Math.Clamp(bytes / source.Streams, shareMin, Math.Max(shareMin, source.TargetBytes));
            var batch = new List<Wanted>();
            for (long taken = 0; taken < goal && batch.Count < source.ItemsMax && queue.TryDequeue(out Wanted? wanted);)
            {
                batch.Add(wanted);
                taken += Weight(wanted);
                bytes -= Weight(wanted);
            }

            return (batch, wait);
        }

        public List<Wanted> Clear()
        {
            List<Wanted> all = [.. _ready, .. _patient];
            _ready.Clear();
            _patient.Clear();
            _readyBytes = _patientBytes = 0;
            return all;
        }

        // Something for what is not known to be large, so that requests do not become endless lists of names.
        private static long Weight(Wanted wanted) => Math.Max(wanted.Bytes, 1024);
    }
}
