namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>One node that is asked, and how it is doing. Thread-safe.</summary>
internal abstract class Source(Uri url, bool isSibling, ReplicationLimits limits, TimeProvider clock)
{
    private static readonly TimeSpan RestMin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RestMax = TimeSpan.FromSeconds(5);

    /// <summary>A sibling that was waited for in vain is not waited for again for so long.</summary>
    private static readonly TimeSpan NoWaitAfterVain = TimeSpan.FromSeconds(20);

    // A request that is over sooner spends too large a part of its time on the way.
    private static readonly TimeSpan RequestMin = TimeSpan.FromMilliseconds(200);
    private const int RoundTripsPerRequest = 8;

    private readonly Lock _gate = new();
    private DateTimeOffset _restUntil;
    private DateTimeOffset _noWaitUntil;
    private int _failures;
    private long _targetBytes = limits.RequestBytesMin;
    private long _bytesReceived;

    /// <summary>Base URL.</summary>
    public Uri Url { get; } = url;

    /// <summary>Whether it is of the same site.</summary>
    public bool IsSibling { get; } = isSibling;

    /// <summary>Items of one request, at most.</summary>
    public abstract int ItemsMax { get; }

    /// <summary>Requests under way at the same time, at most.</summary>
    public int Streams => limits.Streams;

    /// <summary>Its bounds.</summary>
    protected ReplicationLimits Limits => limits;

    /// <summary>The clock.</summary>
    protected TimeProvider Clock => clock;

    /// <summary>Bytes that one request should ask for.</summary>
    public long TargetBytes
    {
        get
        {
            lock (_gate)
                return _targetBytes;
        }
    }

    /// <summary>When it may be asked again after it failed; in the past when it may be now.</summary>
    public DateTimeOffset RestUntil
    {
        get
        {
            lock (_gate)
                return _restUntil;
        }
    }

    /// <summary>It failed a moment ago.</summary>
    public bool IsResting => RestUntil > clock.GetUtcNow();

    /// <summary>Whether it is worth waiting for what it lacks.</summary>
    public bool MayWait
    {
        get
        {
            lock (_gate)
                return IsSibling && _noWaitUntil <= clock.GetUtcNow();
        }
    }

    /// <summary>What went wrong last; null = nothing since it last answered.</summary>
    public string? LastProblem { get; private set; }

    /// <summary>Bytes of its answers.</summary>
    public long BytesReceived => Interlocked.Read(ref _bytesReceived);

    /// <summary>Asks it. Returns when the answer was complete; what was not received then it does not have.</summary>
    /// <exception cref="SourceException">It failed; what was received until then is good.</exception>
    public abstract Task FetchAsync(FetchJob job, CancellationToken cancellationToken);

    /// <summary>It answered.</summary>
    public void Succeeded()
    {
        lock (_gate)
        {
            _failures = 0;
            _restUntil = default;
            LastProblem = null;
        }
    }

    /// <summary>It failed: the longer in a row, the longer it rests.</summary>
    /// <returns>True when it had not failed before, or fails in another way.</returns>
    public bool Failed(string problem)
    {
        lock (_gate)
        {
            DateTimeOffset now = clock.GetUtcNow();
            bool news = LastProblem != problem;
            LastProblem = problem;
            // Requests that ran side by side fail together, and that is one failure.
            if (_restUntil > now)
                return false;
            TimeSpan rest = RestMin * Math.Pow(2, Math.Min(_failures++, 10));
            _restUntil = now + (rest < RestMax ? rest : RestMax);
            return news;
        }
    }

    /// <summary>It answers, and something is wrong with the answer.</summary>
    public void Note(string problem)
    {
        lock (_gate)
            LastProblem = problem;
    }

    /// <summary>It was waited for, and did not have it in the end.</summary>
    public void WaitedInVain()
    {
        lock (_gate)
            _noWaitUntil = clock.GetUtcNow() + NoWaitAfterVain;
    }

    /// <summary>Bytes came.</summary>
    public void Count(int bytes) => Interlocked.Add(ref _bytesReceived, bytes);

    /// <summary>Learns from a request how much to ask for at once.</summary>
    /// <param name="bytes">Bytes that came.</param>
    /// <param name="toFirst">Time to the beginning of the answer.</param>
    /// <param name="all">Time of all of it.</param>
    protected void Learn(long bytes, TimeSpan toFirst, TimeSpan all)
    {
        lock (_gate)
        {
            TimeSpan wanted = toFirst * RoundTripsPerRequest;
            if (wanted < RequestMin)
                wanted = RequestMin;
            if (bytes >= _targetBytes / 2 && all < wanted)
                _targetBytes = Math.Min(_targetBytes * 2, limits.RequestBytesMax);
            else if (all > wanted * 16)
                _targetBytes = Math.Max(_targetBytes / 2, limits.RequestBytesMin);
        }
    }
}
