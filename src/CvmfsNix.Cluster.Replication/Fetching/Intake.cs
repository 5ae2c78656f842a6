using System.Buffers;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Staging;

namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>
/// Takes items as they come, from all streams at once: each is hashed, inflated and written to a temporary file, and many together are flushed and
/// renamed into place. An item that is not what it should be is thrown away and nothing else. Thread-safe.
/// </summary>
internal sealed class Intake(ReplicaTarget target, ReplicationLimits limits, Action<Wanted, long> settled, Action<Exception> failed) : IAsyncDisposable
{
    private const int SmallBytes = 256 * 1024;
    private const int BufferSize = 64 * 1024;
    private const int CompletedAtOnce = 2;
    private const int RawMax = 1 << 20;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _batches = new(CompletedAtOnce + 1);
    private readonly HashSet<Task> _completing = [];

    // Objects that came as hints and are no zlib streams: right for those that a catalog says are stored as they are, and for no others.
    private readonly HashSet<ObjectName> _raw = [];
    private Batch? _current;

    /// <summary>Whether an object came that does not inflate, before it was known how it is stored.</summary>
    public bool IsRaw(ObjectName name)
    {
        lock (_gate)
            return _raw.Contains(name);
    }

    /// <summary>Takes an item; it is durable when it is reported as settled.</summary>
    /// <param name="wanted">What was asked for.</param>
    /// <param name="size">Bytes of the content; negative = unknown.</param>
    /// <param name="content">The bytes that came.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="WrongBytesException">The bytes are not those of the name.</exception>
    /// <exception cref="ReplicationException">The disk failed or is full, or the repository itself names something that is no good.</exception>
    public async Task ReceiveAsync(Wanted wanted, long size, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            if (wanted.Item.Blob is { } blob)
            {
                await ReceiveBlobAsync(blob, content, cancellationToken).ConfigureAwait(false);
                Came(wanted, size);
                return;
            }

            if (size is >= 0 and <= SmallBytes)
                await ReceiveSmallAsync(wanted, (int)size, content, cancellationToken).ConfigureAwait(false);
            else
                await ReceiveLargeAsync(wanted, content, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DiskProblem(e, target);
        }
    }

    /// <summary>Makes durable what has come so far. Returns at once; what was taken is reported as settled.</summary>
    public void Flush()
    {
        lock (_gate)
            CloseCurrent();
    }

    /// <summary>Ends when everything that was taken is durable.</summary>
    public async Task FinishAsync()
    {
        Flush();
        Task[] completing;
        lock (_gate)
            completing = [.. _completing];
        await Task.WhenAll(completing).ConfigureAwait(false);
    }

    /// <summary>Removes what was not completed. Nobody receives any more.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] completing;
        Batch? left;
        lock (_gate)
        {
            completing = [.. _completing];
            (left, _current) = (_current, null);
        }

        await Task.WhenAll(completing).ConfigureAwait(false);
        if (left is not null)
            await left.DisposeAsync().ConfigureAwait(false);
        _batches.Dispose();
    }

    /// <summary>What a failure of the disk is called.</summary>
    public static ReplicationException DiskProblem(Exception e, ReplicaTarget target)
    {
        const int noSpace = 28;
        const int quota = 122;
        bool full = false;
        for (Exception? at = e; at is not null; at = at.InnerException)
            full |= at is IOException && at.HResult is noSpace or quota;
        return full
            ? new ReplicationException(ReplicationFailure.DiskFull, $"The disk of {target.RepositoryFolder} is full; what was fetched completely is kept. Free some space and it goes on. ({e.Message})", e)
            : new ReplicationException(ReplicationFailure.DiskFailed, $"The store of {target.Repository} cannot be written: {e.Message}", e);
    }

    private void Came(Wanted wanted, long size)
    {
        wanted.Group.Come();
        // Others of the group may wait in the batch for more that is not coming.
        if (wanted.Group.HasCome)
            Flush();
        settled(wanted, size);
    }

    private async Task ReceiveBlobAsync(string blob, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            await target.Blobs!.PutAsync(blob, stream => content.CopyToAsync(stream, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException e)
        {
            throw new WrongBytesException(e.Message, e);
        }
    }

    private async Task ReceiveSmallAsync(Wanted wanted, int size, Stream content, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            Memory<byte> stored = buffer.AsMemory(0, size);
            await ReadExactlyAsync(wanted, content, stored, cancellationToken).ConfigureAwait(false);
            ObjectName name = wanted.Item.Object;
            CheckName(name, ObjectHasher.Hash(name.Hash.Algorithm, stored.Span));
            if (MustInflate(wanted) is { } must)
                Judge(wanted, must, Inflates(stored));
            // All of it is here by now: who shares the batch does not wait for anybody's network.
            Batch batch = await EnterAsync(cancellationToken).ConfigureAwait(false);
            bool taken = false;
            try
            {
                await batch.Of(name.Hash.Algorithm).AddAsync(name.Kind, stored, cancellationToken).ConfigureAwait(false);
                taken = true;
            }
            finally
            {
                Leave(batch, taken ? wanted : null, size);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Large enough to be worth a flush of its own, which is then over before its stream asks for more.
    private async Task ReceiveLargeAsync(Wanted wanted, Stream content, CancellationToken cancellationToken)
    {
        ObjectName name = wanted.Item.Object;
        long size = 0;
        CheckSpace();
        ObjectBatch objects = ObjectsOf(target, name.Hash.Algorithm).BeginBatch();
        await using (objects.ConfigureAwait(false))
        {
            await objects.AddAsync(
                name.Kind,
                async (file, token) =>
                {
                    // Hashed here as well as by the batch: what is wrong must not get a name of any kind.
                    using var hasher = new ObjectHasher(name.Hash.Algorithm);
                    var counted = new HashedStream(file, hasher);
                    var tee = new TeeReadStream(content, counted);
                    bool? must = MustInflate(wanted);
                    bool inflates = must is null || await InflatesAsync(tee, token).ConfigureAwait(false);
                    await tee.CopyToAsync(Stream.Null, BufferSize, token).ConfigureAwait(false);
                    size = counted.Length;
                    CheckName(name, hasher.Finish());
                    Judge(wanted, must ?? false, inflates);
                },
                cancellationToken).ConfigureAwait(false);
            await objects.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        Came(wanted, size);
    }

    private static async Task ReadExactlyAsync(Wanted wanted, Stream content, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        int read = await content.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        // A patch is only known to be whole when it was read to its end.
        if (read < bytes.Length || await content.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false) != 0)
            throw new WrongBytesException($"{wanted.Item} did not come with the {bytes.Length} bytes that were announced.");
    }

    // Null: there is nothing to inflate. False: it is not known yet whether there is.
    private static bool? MustInflate(Wanted wanted) => wanted.Item.Object.Kind is ObjectKind.Data or ObjectKind.Chunk
        ? wanted.Compression switch { CompressionAlgorithm.None => null, null => false, _ => true }
        : true;

    private void Judge(Wanted wanted, bool must, bool inflates)
    {
        if (inflates)
            return;
        ObjectName name = wanted.Item.Object;
        if (must)
            throw NotInflating(target, name);
        lock (_gate)
        {
            if (_raw.Count < RawMax)
                _raw.Add(name);
        }
    }

    /// <summary>An object has the right digest, and yet is not the zlib stream that it should be: no source has a better one.</summary>
    public static ReplicationException NotInflating(ReplicaTarget target, ObjectName name) => new(
        ReplicationFailure.Corrupt,
        $"Object {name} of {target.Repository} has the digest of its name and is no good zlib stream: the repository itself is damaged, whoever serves it. Its publisher must repair it.");

    private static void CheckName(ObjectName name, ObjectHash actual)
    {
        if (actual != name.Hash)
            throw new WrongBytesException($"The bytes that came as {name} are those of {new ObjectName(actual, name.Kind)}.");
    }

    private static unsafe bool Inflates(ReadOnlyMemory<byte> stored)
    {
        using MemoryHandle pin = stored.Pin();
        using var source = new UnmanagedMemoryStream((byte*)pin.Pointer, stored.Length);
        using Stream plain = ObjectCompression.OpenDecompressor(source, CompressionAlgorithm.Zlib);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (plain.Read(buffer) > 0)
            {
            }

            return true;
        }
        catch (ObjectCorruptException)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<bool> InflatesAsync(Stream stored, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib, leaveOpen: true);
        await using (plain.ConfigureAwait(false))
        {
            try
            {
                while (await plain.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) > 0)
                {
                }

                return true;
            }
            catch (ObjectCorruptException)
            {
                return false;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private static DirectoryObjectStore ObjectsOf(ReplicaTarget target, HashAlgorithmId algorithm) => target.Objects(algorithm)
        ?? throw new ReplicationException(ReplicationFailure.Corrupt, $"{target.Repository} names an object by {algorithm}, which is not the algorithm that it was created with.");

    private async Task<Batch> EnterAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_current is { } current)
                {
                    current.Adders++;
                    return current;
                }
            }

            // Not more batches than are completed at a time and one that fills: the network waits for the disk.
            CheckSpace();
            await _batches.WaitAsync(cancellationToken).ConfigureAwait(false);
            lock (_gate)
            {
                if (_current is null)
                    _current = new Batch(target);
                else
                    _batches.Release();
            }
        }
    }

    private void CheckSpace()
    {
        if (new DriveInfo(target.RepositoryFolder).AvailableFreeSpace < limits.DiskReserveBytes)
        {
            throw new ReplicationException(
                ReplicationFailure.DiskFull,
                $"Less than {limits.DiskReserveBytes >> 20} MiB are free on the disk of {target.RepositoryFolder}; nothing more is fetched. Free some space and it goes on.");
        }
    }

    private void Leave(Batch batch, Wanted? taken, long stored)
    {
        lock (_gate)
        {
            batch.Adders--;
            if (taken is not null)
            {
                batch.Members.Add((taken, stored));
                batch.Bytes += stored;
                taken.Group.Come();
                // The last of a group may have been in a batch that was closed meanwhile, while others of the group are in the next one.
                if (taken.Group.HasCome || (batch == _current && (batch.Members.Count >= limits.BatchObjectsMax || batch.Bytes >= limits.BatchBytesMax)))
                    CloseCurrent();
            }

            if (batch.IsClosed && batch.Adders == 0)
                Complete(batch);
        }
    }

    private void CloseCurrent()
    {
        if (_current is not { } batch || (batch.Members.Count == 0 && batch.Adders == 0))
            return;
        _current = null;
        batch.IsClosed = true;
        if (batch.Adders == 0)
            Complete(batch);
    }

    private void Complete(Batch batch)
    {
        if (batch.IsCompleting)
            return;
        batch.IsCompleting = true;
        Task? own = null;
        var entered = new TaskCompletionSource();
        own = Task.Run(async () =>
        {
            await entered.Task.ConfigureAwait(false);
            try
            {
                await batch.CompleteAsync().ConfigureAwait(false);
                foreach ((Wanted wanted, long stored) in batch.Members)
                    settled(wanted, stored);
            }
            catch (Exception e)
            {
                failed(e is IOException or UnauthorizedAccessException ? DiskProblem(e, target) : e);
            }
            finally
            {
                await batch.DisposeAsync().ConfigureAwait(false);
                lock (_gate)
                    _completing.Remove(own!);
                _batches.Release();
            }
        });
        _completing.Add(own);
        entered.SetResult();
    }

    /// <summary>Objects that become durable together.</summary>
    private sealed class Batch(ReplicaTarget target) : IAsyncDisposable
    {
        private readonly ObjectBatch?[] _objects = new ObjectBatch?[4];

        public List<(Wanted Wanted, long Stored)> Members { get; } = [];

        public int Adders { get; set; }

        public long Bytes { get; set; }

        public bool IsClosed { get; set; }

        public bool IsCompleting { get; set; }

        public ObjectBatch Of(HashAlgorithmId algorithm)
        {
            lock (_objects)
            {
                return _objects[(int)algorithm] ??= ObjectsOf(target, algorithm).BeginBatch();
            }
        }

        public async Task CompleteAsync()
        {
            foreach (ObjectBatch objects in _objects.OfType<ObjectBatch>())
                await objects.CompleteAsync(CancellationToken.None).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (ObjectBatch objects in _objects.OfType<ObjectBatch>())
                await objects.DisposeAsync().ConfigureAwait(false);
        }
    }
}
