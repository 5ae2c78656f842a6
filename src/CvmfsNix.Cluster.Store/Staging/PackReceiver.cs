using System.Buffers;
using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// Reads a pack into a batch. Small objects are gathered into groups that are checked in parallel while the next arrive; a larger one is
/// checked as its bytes come in. Either way a slow sender holds no more than one buffer: memory is (parallelism + 1) groups.
/// </summary>
internal sealed class PackReceiver(ObjectBatch batch, HashAlgorithmId algorithm, StagingLimits limits)
{
    private const int GroupBytes = 256 * 1024;
    private const int SmallObjectBytes = GroupBytes / 2;
    private const int GroupObjects = 512;

    private readonly ConcurrentDictionary<ContentDigest, StoredContent> _contents = new();

    /// <summary>Whole-file contents of the pack by plaintext digest.</summary>
    public IReadOnlyDictionary<ContentDigest, StoredContent> Contents => _contents;

    /// <summary>Names of the pack's objects.</summary>
    public List<ObjectName> Names { get; } = [];

    /// <summary>Reads all of the pack; returns the number of its objects. Nothing is durable yet.</summary>
    /// <param name="body">The pack.</param>
    /// <param name="objectsMax">More are refused.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<long> ReadAsync(Stream body, long objectsMax, CancellationToken cancellationToken)
    {
        var reader = new ObjectPackReader(body, limits.Pack);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var slots = new SemaphoreSlim(limits.Parallelism);
        List<Task> checks = [];
        Group group = new();
        try
        {
            while (await reader.ReadAsync(stop.Token).ConfigureAwait(false) is var (header, content))
            {
                CheckHeader(header, reader.Objects, objectsMax);
                Names.Add(header.Name);
                if (header.StoredSize > SmallObjectBytes)
                {
                    Know(header, await ObjectCheck.TakeAsync(batch, header, content, stop.Token).ConfigureAwait(false));
                    continue;
                }

                if (!group.Fits(header))
                {
                    await StartAsync(group).ConfigureAwait(false);
                    group = new Group();
                }

                await group.AddAsync(header, content, stop.Token).ConfigureAwait(false);
            }

            await StartAsync(group).ConfigureAwait(false);
            await Task.WhenAll(checks).ConfigureAwait(false);
            return reader.Objects;
        }
        catch (Exception e)
        {
            // The batch may not be disposed while a check still adds to it.
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(checks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // A check that failed stopped the reading: its error is the one to tell.
            Exception? first = checks.Select(c => c.Exception?.InnerException).FirstOrDefault(x => x is not null and not OperationCanceledException);
            if (e is OperationCanceledException && first is not null)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
            throw;
        }

        async Task StartAsync(Group full)
        {
            await slots.WaitAsync(stop.Token).ConfigureAwait(false);
            checks.RemoveAll(c => c.IsCompletedSuccessfully);
            checks.Add(Task.Run(
                async () =>
                {
                    try
                    {
                        await full.CheckAsync(this, stop.Token).ConfigureAwait(false);
                    }
                    catch
                    {
                        await stop.CancelAsync().ConfigureAwait(false);
                        throw;
                    }
                    finally
                    {
                        slots.Release();
                    }
                },
                CancellationToken.None));
        }
    }

    private void CheckHeader(PackedObject header, long objects, long objectsMax)
    {
        string name = header.Name.ToString();
        if (header.Name.Kind is not (ObjectKind.Data or ObjectKind.Chunk))
        {
            throw new StagingRejectedException(
                StagingRejectionCodes.ForbiddenObject,
                name,
                $"Object {name} is a {header.Name.Kind} object. The repository makes catalogs, tag databases, certificates and metainfo itself; upload file contents and chunks only.");
        }

        if (header.Name.Hash.Algorithm != algorithm)
        {
            throw new StagingRejectedException(
                StagingRejectionCodes.ObjectCorrupt, name, $"Object {name} is named by {header.Name.Hash.Algorithm}, the repository names objects by {algorithm}.");
        }

        if (objects > objectsMax)
        {
            throw new StagingRejectedException(
                StagingRejectionCodes.TransactionTooLarge, name, $"The transaction has more than {limits.ObjectsMax} objects. Publish fewer paths at a time.");
        }
    }

    private void Know(PackedObject header, ContentDigest digest)
    {
        if (header.Name.Kind == ObjectKind.Data)
            _contents.TryAdd(digest, new StoredContent(header.PlainSize, header.Compression, header.Name.Hash, []));
    }

    private sealed class Group
    {
        private readonly byte[] _bytes = ArrayPool<byte>.Shared.Rent(GroupBytes);
        private readonly List<(PackedObject Header, int Offset)> _objects = [];
        private int _used;

        public bool Fits(PackedObject header) => _objects.Count < GroupObjects && header.StoredSize <= GroupBytes - _used;

        public async ValueTask AddAsync(PackedObject header, Stream content, CancellationToken cancellationToken)
        {
            await content.ReadExactlyAsync(_bytes.AsMemory(_used, (int)header.StoredSize), cancellationToken).ConfigureAwait(false);
            _objects.Add((header, _used));
            _used += (int)header.StoredSize;
        }

        public async Task CheckAsync(PackReceiver receiver, CancellationToken cancellationToken)
        {
            foreach ((PackedObject header, int offset) in _objects)
            {
                ReadOnlyMemory<byte> stored = _bytes.AsMemory(offset, (int)header.StoredSize);
                receiver.Know(header, await ObjectCheck.TakeAsync(receiver.Batch, header, stored, cancellationToken).ConfigureAwait(false));
            }

            ArrayPool<byte>.Shared.Return(_bytes);
        }
    }

    private ObjectBatch Batch => batch;
}
