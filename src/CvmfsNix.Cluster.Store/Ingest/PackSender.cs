using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Gathers objects into packs and sends several at once. A pack goes when it is large enough, or when nobody is making an object that could
/// still join it. Senders wait while all uploads are busy: memory is (uploads + 1) packs.
/// </summary>
internal sealed class PackSender(
    IPublishTarget target, IngestOptions options, Action<long, long, long> packSent, Action<Exception> failed, CancellationToken cancellationToken) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SemaphoreSlim _uploads = new(options.UploadsInFlight);
    private Pack _current = new();
    private int _making;

    /// <summary>Announces objects, so that a pack waits for them; each ends with <see cref="EndAsync"/>.</summary>
    public void Begin(int count) => Interlocked.Add(ref _making, count);

    /// <summary>Takes the bytes over. The task that it returns is completed when the other side has taken the object's pack.</summary>
    public async Task<Task> AddAsync(PackedObject header, PooledBytes stored)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Task sent = _current.Add(header, stored);
            if (_current.Size >= options.PackBytesTarget)
                await DispatchAsync().ConfigureAwait(false);
            return sent;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>One of the announced is made, and added, or turned out not to be needed.</summary>
    public async Task EndAsync()
    {
        if (Interlocked.Decrement(ref _making) > 0)
            return;
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Others may have begun since; then their last one sends what is gathered.
            if (Volatile.Read(ref _making) == 0 && _current.Count > 0)
                await DispatchAsync().ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose()
    {
        _gate.Dispose();
        _uploads.Dispose();
    }

    /// <summary>Waits until no upload is under way any more, whatever became of them.</summary>
    public async Task DrainAsync()
    {
        for (int i = 0; i < options.UploadsInFlight; i++)
            await _uploads.WaitAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private async Task DispatchAsync()
    {
        await _uploads.WaitAsync(cancellationToken).ConfigureAwait(false);
        Pack full = _current;
        _current = new Pack();
        _ = Task.Run(() => UploadAsync(full), CancellationToken.None);
    }

    private async Task UploadAsync(Pack pack)
    {
        try
        {
            await target.UploadPackAsync(pack.WriteAsync, cancellationToken).ConfigureAwait(false);
            packSent(pack.Count, pack.Size, pack.StoredBytes);
            pack.Taken();
        }
#pragma warning disable CA1031 // Whatever it was, it ends the run, which reports it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            // The pack's memory is not given back: a cancelled request may still be reading it.
            failed(e);
        }
        finally
        {
            _uploads.Release();
        }
    }

    private sealed class Pack
    {
        private readonly List<(PackedObject Header, PooledBytes Stored)> _objects = [];
        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Count => _objects.Count;

        public long StoredBytes { get; private set; }

        public long Size => ObjectPackWriter.SizeOf(Count, StoredBytes);

        public Task Add(PackedObject header, PooledBytes stored)
        {
            _objects.Add((header, stored));
            StoredBytes += stored.Length;
            return _taken.Task;
        }

        public async Task WriteAsync(Stream destination, CancellationToken cancellationToken)
        {
            // Many objects are a few hundred bytes: they travel in blocks.
            var buffered = new BufferedStream(destination, 64 * 1024);
            var writer = new ObjectPackWriter(buffered);
            foreach ((PackedObject header, PooledBytes stored) in _objects)
                await writer.WriteAsync(header, stored.Memory, cancellationToken).ConfigureAwait(false);
            await writer.FinishAsync(cancellationToken).ConfigureAwait(false);
        }

        public void Taken()
        {
            foreach ((_, PooledBytes stored) in _objects)
                stored.Return();
            _taken.SetResult();
        }
    }
}
