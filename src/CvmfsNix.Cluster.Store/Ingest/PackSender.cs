using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Gathers objects into packs and sends several at once. A pack goes when it is large enough, or when nobody is making an object that could
/// still join it. Senders wait while all uploads are busy: memory is (uploads + 1) packs, each of its size on the wire.
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
            // Chunks are as large as a pack may be: what is gathered goes without waiting for one more.
            if (_current.Count > 0 && _current.Size + stored.Length > options.PackBytesTarget)
                await DispatchAsync().ConfigureAwait(false);
            Task sent = await _current.AddAsync(header, stored.Memory).ConfigureAwait(false);
            stored.Return();
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
            await pack.FinishAsync().ConfigureAwait(false);
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

    /// <summary>A pack as it goes over the wire: what an object was compressed into has room for its plaintext, and is free again at once.</summary>
#pragma warning disable CA1001 // Its memory goes back when it has been taken, and never after a failure: a cancelled request may still be reading it.
    private sealed class Pack
#pragma warning restore CA1001
    {
        private const int WriteBytes = 64 * 1024;

        private readonly PooledBlocks _bytes = new();
        private readonly ObjectPackWriter _writer;
        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Pack() => _writer = new ObjectPackWriter(_bytes);

        public long Count => _writer.Objects;

        public long StoredBytes { get; private set; }

        public long Size => ObjectPackWriter.SizeOf(Count, StoredBytes);

        public async ValueTask<Task> AddAsync(PackedObject header, ReadOnlyMemory<byte> stored)
        {
            await _writer.WriteAsync(header, stored, CancellationToken.None).ConfigureAwait(false);
            StoredBytes += stored.Length;
            return _taken.Task;
        }

        public Task FinishAsync() => _writer.FinishAsync(CancellationToken.None);

        public async Task WriteAsync(Stream destination, CancellationToken cancellationToken)
        {
            // In pieces: a slow line shows with each that it takes.
            foreach (ReadOnlyMemory<byte> block in _bytes.Blocks)
            {
                for (int at = 0; at < block.Length; at += WriteBytes)
                    await destination.WriteAsync(block.Slice(at, Math.Min(WriteBytes, block.Length - at)), cancellationToken).ConfigureAwait(false);
            }

            await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        public void Taken()
        {
            _bytes.Return();
            _taken.SetResult();
        }
    }
}
