using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>
/// Temporary files in <c>data/txn</c>, then: fsync all of them, rename all, fsync each touched directory once. Contents are durable before
/// any name exists, so that a crash never leaves a name without its bytes; names are durable before anybody is answered.
/// </summary>
internal sealed class DirectoryObjectBatch(DirectoryObjectStore store) : ObjectBatch
{
    private readonly string _prefix = Path.Combine(store.TemporaryFolder, Guid.NewGuid().ToString("N"));

    private const int Present = 0;
    private const int FlushedAtOnce = 1024;

    // Object → number of its temporary file; Present for one the store has already, whose directory must be durable all the same.
    // Numbers and not file names, because a batch may take very many objects.
    private readonly ConcurrentDictionary<ObjectName, int> _objects = new();
    private int _temporaries;
    private int _objectsNew;
    private long _bytesNew;
    private bool _completed;

    /// <inheritdoc/>
    public override int ObjectsNew => Volatile.Read(ref _objectsNew);

    /// <inheritdoc/>
    public override long BytesNew => Interlocked.Read(ref _bytesNew);

    /// <inheritdoc/>
    public override ValueTask<ObjectName> AddAsync(ObjectKind kind, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var name = new ObjectName(ObjectHasher.Hash(store.Algorithm, stored.Span), kind);
        if (_objects.ContainsKey(name))
            return ValueTask.FromResult(name);
        if (store.Refresh(name))
        {
            _objects.TryAdd(name, Present);
            return ValueTask.FromResult(name);
        }

        int number = Interlocked.Increment(ref _temporaries);
        string temporary = Temporary(number);
        try
        {
            using var handle = DurableFile.Create(temporary);
            RandomAccess.Write(handle, stored.Span, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DurableFile.TryDelete(temporary);
            throw new ObjectStoreException($"Cannot write object {name} to {temporary}: {e.Message}", e);
        }

        Keep(name, number, stored.Length);
        return ValueTask.FromResult(name);
    }

    /// <inheritdoc/>
    public override async ValueTask<ObjectName> AddAsync(
        ObjectKind kind, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        int number = Interlocked.Increment(ref _temporaries);
        string temporary = Temporary(number);
        try
        {
            ObjectName name;
            long size;
            using (var destination = new HashingFileStream(temporary, store.Algorithm))
            {
                await write(destination, cancellationToken).ConfigureAwait(false);
                (ObjectHash hash, size) = destination.Finish();
                name = new ObjectName(hash, kind);
            }

            if (store.Refresh(name))
            {
                DurableFile.TryDelete(temporary);
                _objects.TryAdd(name, Present);
            }
            else
            {
                Keep(name, number, size);
            }

            return name;
        }
        catch
        {
            DurableFile.TryDelete(temporary);
            throw;
        }
    }

    /// <inheritdoc/>
    public override async Task CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_completed, this);
        _completed = true;
        try
        {
            foreach (int[] part in _objects.Select(o => o.Value).Where(n => n != Present).Chunk(FlushedAtOnce))
                await FlushThreads.RunAllAsync([.. part.Select(number => (Action)(() => DurableFile.Flush(Temporary(number))))]).ConfigureAwait(false);
            foreach ((ObjectName name, int number) in _objects)
            {
                if (number != Present)
                    store.Rename(name, Temporary(number));
            }

            await store.SyncAsync(_objects.Select(o => DirectoryObjectStore.DirectoryOf(o.Key)).Distinct()).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            RemoveTemporaries();
            if (e is ObjectStoreException || e is not (IOException or UnauthorizedAccessException))
                throw;
            throw new ObjectStoreException(e.Message, e);
        }

        // What was here when it was added may have been deleted since; its bytes were dropped, so the answer must not be "durable".
        foreach ((ObjectName name, int number) in _objects)
        {
            if (number == Present && !store.Refresh(name))
                throw new ObjectStoreException($"Object {name} was deleted from {store.RepositoryFolder} while it was being added: send it again.");
        }
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        if (!_completed)
        {
            _completed = true;
            RemoveTemporaries();
        }

        return ValueTask.CompletedTask;
    }

    private string Temporary(int number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{_prefix}-{number}");

    private void Keep(ObjectName name, int number, long size)
    {
        if (_objects.TryAdd(name, number))
        {
            Interlocked.Increment(ref _objectsNew);
            Interlocked.Add(ref _bytesNew, size);
        }
        else
        {
            // The same bytes were added at the same time by another thread.
            DurableFile.TryDelete(Temporary(number));
        }
    }

    private void RemoveTemporaries()
    {
        foreach ((_, int number) in _objects)
        {
            if (number != Present)
                DurableFile.TryDelete(Temporary(number));
        }
    }
}
