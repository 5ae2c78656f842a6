using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.TestKit.Objects;

/// <summary>An object store without a disk.</summary>
public sealed class MemoryObjectStore(HashAlgorithmId algorithm = HashAlgorithmId.Sha1) : IObjectStore
{
    private readonly ConcurrentDictionary<ObjectName, byte[]> _objects = new();

    /// <summary>All that is in it.</summary>
    public IReadOnlyCollection<ObjectName> Names => [.. _objects.Keys];

    public bool Contains(ObjectName name) => _objects.ContainsKey(name);

    public IReadOnlyList<ObjectName> FindMissing(IEnumerable<ObjectName> names) => [.. names.Where(n => !Contains(n))];

    public Task<IReadOnlyList<ObjectName>> ConfirmDurableAsync(IEnumerable<ObjectName> names, CancellationToken cancellationToken) =>
        Task.FromResult(FindMissing(names));

    public Stream? OpenRead(ObjectName name) => _objects.TryGetValue(name, out byte[]? stored) ? new MemoryStream(stored, writable: false) : null;

    public long? StoredSize(ObjectName name) => _objects.TryGetValue(name, out byte[]? stored) ? stored.Length : null;

    public ObjectBatch BeginBatch() => new Batch(this);

    public bool Delete(ObjectName name) => _objects.TryRemove(name, out _);

    private sealed class Batch(MemoryObjectStore store) : ObjectBatch
    {
        private readonly ConcurrentDictionary<ObjectName, byte[]> _added = new();

        public override int ObjectsNew => _added.Count;

        public override long BytesNew => _added.Values.Sum(b => (long)b.Length);

        public override ValueTask<ObjectName> AddAsync(ObjectKind kind, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
        {
            var name = new ObjectName(ObjectHasher.Hash(store.Algorithm, stored.Span), kind);
            if (!store.Contains(name))
                _added.TryAdd(name, stored.ToArray());
            return ValueTask.FromResult(name);
        }

        public override async ValueTask<ObjectName> AddAsync(
            ObjectKind kind, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
        {
            using var stored = new MemoryStream();
            await write(stored, cancellationToken).ConfigureAwait(false);
            return await AddAsync(kind, stored.ToArray(), cancellationToken).ConfigureAwait(false);
        }

        public override Task CompleteAsync(CancellationToken cancellationToken)
        {
            foreach ((ObjectName name, byte[] stored) in _added)
                store._objects.TryAdd(name, stored);
            return Task.CompletedTask;
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private HashAlgorithmId Algorithm { get; } = algorithm;
}
