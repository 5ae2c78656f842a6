namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>A repository as the surfaces see it: where it stands, and how much waits for its receiver. Thread-safe.</summary>
internal sealed class MirrorEntry(string repository)
{
    private readonly Lock _gate = new();
    private MirrorPosition _position = new(repository);
    private MirrorRepository? _open;
    private int _waiting;
    private long _deltaBytes;

    public MirrorPosition Position
    {
        get
        {
            lock (_gate)
                return _position;
        }
    }

    public MirrorRepository? Open
    {
        get
        {
            lock (_gate)
                return _open;
        }

        set
        {
            lock (_gate)
                _open = value;
        }
    }

    /// <summary>Events handed over and not yet through.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    public void Update(Func<MirrorPosition, MirrorPosition> change)
    {
        lock (_gate)
            _position = change(_position);
    }

    /// <summary>Counts an event in; drops its delta list when too many bytes of them wait already: it can be fetched.</summary>
    public MirroredEvent CountIn(MirroredEvent @event, long deltaBytesMax)
    {
        Interlocked.Increment(ref _waiting);
        if (@event.Manifest is not { Delta.Length: > 0 and var length } manifest)
            return @event;
        if (Interlocked.Add(ref _deltaBytes, length) <= deltaBytesMax)
            return @event;
        Interlocked.Add(ref _deltaBytes, -length);
        return @event with { Manifest = manifest with { Delta = default } };
    }

    public void CountOut(IEnumerable<MirroredEvent> events)
    {
        foreach (var e in events)
        {
            Interlocked.Decrement(ref _waiting);
            Interlocked.Add(ref _deltaBytes, -(e.Manifest?.Delta.Length ?? 0));
        }
    }

    /// <summary>Whoever held the events is gone, and they with it.</summary>
    public void CountFromZero()
    {
        Interlocked.Exchange(ref _waiting, 0);
        Interlocked.Exchange(ref _deltaBytes, 0);
    }
}
