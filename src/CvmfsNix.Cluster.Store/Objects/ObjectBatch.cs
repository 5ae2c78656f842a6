using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>
/// Objects on their way into a store. Nothing is visible before <see cref="CompleteAsync"/>; disposing without it leaves no trace.
/// Adding is thread-safe; completing and disposing come after all adding.
/// </summary>
public abstract class ObjectBatch : IAsyncDisposable
{
    /// <summary>Objects of this batch that the store did not have when they were added.</summary>
    public abstract int ObjectsNew { get; }

    /// <summary>Stored bytes of those.</summary>
    public abstract long BytesNew { get; }

    /// <summary>Adds an object that is in memory; the name is computed from the bytes. One that is in the store is dropped at once.</summary>
    /// <exception cref="ObjectStoreException">Names the file that could not be written.</exception>
    public abstract ValueTask<ObjectName> AddAsync(ObjectKind kind, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken);

    /// <summary>Adds an object of any size; <paramref name="write"/> writes its stored bytes to the stream it is given.</summary>
    /// <exception cref="ObjectStoreException">Names the file that could not be written.</exception>
    public abstract ValueTask<ObjectName> AddAsync(ObjectKind kind, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken);

    /// <summary>Adds an object of any size, read to the end of <paramref name="stored"/>.</summary>
    public ValueTask<ObjectName> AddAsync(ObjectKind kind, Stream stored, CancellationToken cancellationToken) =>
        AddAsync(kind, (destination, token) => stored.CopyToAsync(destination, token), cancellationToken);

    /// <summary>
    /// Makes all objects visible and durable, also those that were in the store before. Once it has started it is not cancelled.
    /// </summary>
    /// <exception cref="ObjectStoreException">The disk failed or is full; the batch's files are gone or, where they had their final names already, complete.</exception>
    public abstract Task CompleteAsync(CancellationToken cancellationToken);

    /// <summary>Removes what was not completed.</summary>
    public abstract ValueTask DisposeAsync();
}
