using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// The archives uploaded to this node. They stay for some minutes after their path was committed, because several paths may have the same
/// archive. One whose narinfo never comes goes after <see cref="GatewayLimits.NarIdleMax"/>, or earlier when others need the room. A restart
/// forgets all: clients send again what is not here. Thread-safe.
/// </summary>
internal sealed class NarUploads(GatewayLimits limits, TimeProvider time) : IAsyncDisposable
{
    // One used this recently is between two requests that belong together, so it does not make room.
    private static readonly TimeSpan EvictableAfter = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan KeptEvictableAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan KeptFor = TimeSpan.FromMinutes(3);
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Repository, string Name), Held> _held = [];

    /// <summary>Archives held.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _held.Count;
        }
    }

    /// <summary>Makes room for an upload.</summary>
    /// <exception cref="NodeException">Overloaded: all that is held is in use.</exception>
    public async Task ReserveAsync(long bytes)
    {
        List<Held> evicted = [];
        try
        {
            lock (_gate)
            {
                DateTimeOffset now = time.GetUtcNow();
                Collect(h => IsExpired(h, now), evicted);
                foreach (var (key, held) in _held.Where(h => IsEvictable(h.Value, now)).OrderBy(h => h.Value.UsedAt).ToList())
                {
                    if (IsRoomFor(bytes))
                        break;
                    Remove(key, held, evicted);
                }

                if (!IsRoomFor(bytes))
                {
                    throw new NodeException(new NodeError(
                        NodeCodes.Overloaded, "Too many uploaded archives wait for their narinfo.", "uploads", "Try again a little later.", TimeSpan.FromSeconds(5)));
                }
            }
        }
        finally
        {
            foreach (Held held in evicted)
                await held.Nar.Archive.DisposeAsync();
        }
    }

    /// <summary>Keeps an archive. Of two with the same name the first stays: both were checked to be what the name says.</summary>
    public async Task AddAsync(string repository, string name, UploadedNar nar)
    {
        bool added;
        lock (_gate)
            added = _held.TryAdd((repository, name), new Held(nar, time.GetUtcNow()));
        if (!added)
            await nar.Archive.DisposeAsync();
    }

    /// <summary>Whether an archive is here; asking keeps it a while.</summary>
    public bool Contains(string repository, string name)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue((repository, name), out Held? held))
                return false;
            held.UsedAt = time.GetUtcNow();
            return true;
        }
    }

    /// <summary>Holds an archive while it is used; null when it is not here.</summary>
    public NarUse? Use(string repository, string name)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue((repository, name), out Held? held))
                return null;
            held.Users++;
            return new NarUse(held.Nar, () => Return(held));
        }
    }

    /// <summary>Drops what nobody used for long.</summary>
    /// <returns>How many.</returns>
    public async Task<int> ExpireAsync()
    {
        List<Held> expired = [];
        lock (_gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            Collect(h => IsExpired(h, now), expired);
        }

        foreach (Held held in expired)
            await held.Nar.Archive.DisposeAsync();
        return expired.Count;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        List<Held> all;
        lock (_gate)
        {
            all = [.. _held.Values];
            _held.Clear();
        }

        foreach (Held held in all)
            await held.Nar.Archive.DisposeAsync();
    }

    // One archive may be larger than the bound: it is taken when nothing else is held.
    private bool IsRoomFor(long bytes)
    {
        (long scratch, long memory) = (0, 0);
        foreach (Held held in _held.Values)
        {
            scratch += held.Nar.Archive.ScratchBytes;
            memory += held.Nar.MemoryBytes;
        }

        return (scratch == 0 || scratch + bytes <= limits.NarBytesMax) && memory <= limits.NarMemoryMax;
    }

    private bool IsExpired(Held held, DateTimeOffset now) => held.UsedAt <= now - (held.Nar.Archive.IsKept ? KeptFor : limits.NarIdleMax);

    private static bool IsEvictable(Held held, DateTimeOffset now) =>
        held.Users == 0 && held.UsedAt <= now - (held.Nar.Archive.IsKept ? KeptEvictableAfter : EvictableAfter);

    private void Collect(Func<Held, bool> which, List<Held> removed)
    {
        foreach (var (key, held) in _held.Where(h => h.Value.Users == 0 && which(h.Value)).ToList())
            Remove(key, held, removed);
    }

    private void Remove((string Repository, string Name) key, Held held, List<Held> removed)
    {
        _held.Remove(key);
        removed.Add(held);
    }

    private void Return(Held held)
    {
        lock (_gate)
        {
            held.Users--;
            held.UsedAt = time.GetUtcNow();
        }
    }

    private sealed class Held(UploadedNar nar, DateTimeOffset at)
    {
        public UploadedNar Nar { get; } = nar;

        public DateTimeOffset UsedAt { get; set; } = at;

        public int Users { get; set; }
    }
}

/// <summary>Keeps an uploaded archive from being dropped while it is used.</summary>
internal sealed class NarUse(UploadedNar nar, Action release) : IDisposable
{
    private Action? _release = release;

    public UploadedNar Nar { get; } = nar;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
