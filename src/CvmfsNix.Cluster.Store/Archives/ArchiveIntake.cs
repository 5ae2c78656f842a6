using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Chunking;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Store.Ingest;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>
/// Unpacks archives into objects as their bytes come in, cut and compressed as a publisher does it, so that the same file becomes the same
/// objects whichever way it came. Memory is bounded over all archives taken in at the same time; a size that an archive only announces
/// takes none. Thread-safe.
/// </summary>
/// <param name="options">How to use the machine.</param>
public sealed class ArchiveIntake(IngestOptions options) : IDisposable
{
    private const int Block = 128 * 1024;
    private const int ContentsWaitingMax = 64;

    private readonly ByteBudget _budget = new(options.InFlightBytesMax);
    private readonly SemaphoreSlim _compressors = new(options.Parallelism);

    /// <summary>Reads an archive to its end.</summary>
    /// <param name="store">Where its objects go.</param>
    /// <param name="nar">The archive, not compressed.</param>
    /// <param name="cancellationToken">Gives up; nothing is left then.</param>
    /// <exception cref="NarFormatException">The bytes are no valid archive.</exception>
    /// <exception cref="PathRejectedException">It has more entries than one store path may have.</exception>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public async Task<ReceivedArchive> ReceiveAsync(RepositoryStore store, Stream nar, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(nar);
        ObjectBatch batch = store.Objects.BeginBatch();
        var run = new Run(this, store, batch, cancellationToken);
        try
        {
            return await run.ReceiveAsync(nar).ConfigureAwait(false);
        }
        catch
        {
            await batch.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            run.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _compressors.Dispose();

    private sealed class Run(ArchiveIntake owner, RepositoryStore store, ObjectBatch batch, CancellationToken cancellationToken) : IDisposable
    {
        private readonly IngestOptions _options = owner.OptionsOf();
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        private readonly SemaphoreSlim _waiting = new(ContentsWaitingMax);
        private readonly ConcurrentDictionary<ContentDigest, Task<StoredContent>> _contents = new();
        private readonly List<Task> _tasks = [];
        private readonly byte[] _block = ArrayPool<byte>.Shared.Rent(Block);

        public async Task<ReceivedArchive> ReceiveAsync(Stream nar)
        {
            using var reader = new NarReader(nar, computeHash: true);
            var open = new Stack<Node>();
            Node? root = null;
            int entries = 0;
            try
            {
                while (await reader.ReadAsync(_stop.Token).ConfigureAwait(false) is { } next)
                {
                    if (next.Kind == NarEventKind.DirectoryEnd)
                    {
                        open.Pop();
                        continue;
                    }

                    if (++entries > TreeLimits.EntriesMax)
                        throw TooLarge();
                    var node = new Node(next);
                    if (next.Kind == NarEventKind.File)
                        (node.Digest, node.Content) = await TakeAsync(next).ConfigureAwait(false);
                    if (open.TryPeek(out Node? parent))
                        parent.Children.Add(node);
                    root ??= node;
                    if (next.Kind == NarEventKind.DirectoryBegin)
                        open.Push(node);
                }

                await Task.WhenAll(_tasks).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // The batch may not be disposed while a content is still added to it.
                await _stop.CancelAsync().ConfigureAwait(false);
                await Task.WhenAll(_tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                Exception? first = _tasks.Select(t => t.Exception?.InnerException).FirstOrDefault(x => x is not null and not OperationCanceledException);
                if (e is OperationCanceledException && first is not null)
                    System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
                throw;
            }

            return new ReceivedArchive(batch, root!.ToTree(), entries, reader.Digest.Hash, reader.Digest.NarSize);
        }

        public void Dispose()
        {
            ArrayPool<byte>.Shared.Return(_block);
            _waiting.Dispose();
            _stop.Dispose();
        }

        private Task<(ContentDigest Digest, Task<StoredContent> Content)> TakeAsync(NarEvent file) =>
            file.Size > _options.ChunkBytesMin ? TakeLargeAsync(file) : TakeSmallAsync(file);

        private async Task<(ContentDigest Digest, Task<StoredContent> Content)> TakeSmallAsync(NarEvent file)
        {
            await _waiting.WaitAsync(_stop.Token).ConfigureAwait(false);
            // Twice: the compressed form is made beside it.
            long taken = await owner._budget.TakeAsync(2 * file.Size, _stop.Token).ConfigureAwait(false);
            var plain = new PooledBytes((int)file.Size);
            bool handedOver = false;
            try
            {
                await file.Content!.ReadExactlyAsync(plain.Array.AsMemory(0, (int)file.Size), _stop.Token).ConfigureAwait(false);
                plain.Length = (int)file.Size;
                ContentDigest digest = FileContent.DigestOf(plain.Span);
                if (_contents.TryGetValue(digest, out Task<StoredContent>? known))
                    return (digest, known);
                Task<StoredContent> content = Start(async () =>
                {
                    try
                    {
                        return Committed(digest) ?? await StoreWholeAsync(plain).ConfigureAwait(false);
                    }
                    finally
                    {
                        plain.Return();
                        owner._budget.Return(taken);
                        _waiting.Release();
                    }
                });
                handedOver = true;
                _contents[digest] = content;
                return (digest, content);
            }
            finally
            {
                if (!handedOver)
                {
                    plain.Return();
                    owner._budget.Return(taken);
                    _waiting.Release();
                }
            }
        }

        private async Task<(ContentDigest Digest, Task<StoredContent> Content)> TakeLargeAsync(NarEvent file)
        {
            var detector = new ChunkDetector(_options.ChunkBytesMin, _options.ChunkBytesAverage, _options.ChunkBytesMax);
            using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            List<Task<StoredChunk>> chunks = [];
            CompressionAlgorithm? compression = null;
            PooledBytes? chunk = null;
            (long offset, long taken) = (0, 0);
            try
            {
                for (int read; (read = await file.Content!.ReadAsync(_block.AsMemory(0, Block), _stop.Token).ConfigureAwait(false)) > 0;)
                {
                    digest.AppendData(_block, 0, read);
                    for (int start = 0; start < read;)
                    {
                        if (chunk is null)
                        {
                            long capacity = Math.Min(_options.ChunkBytesMax, file.Size - offset);
                            taken = await owner._budget.TakeAsync(2 * capacity, _stop.Token).ConfigureAwait(false);
                            chunk = new PooledBytes((int)capacity);
                        }

                        int cut = detector.FindCut(_block.AsSpan(start, read - start));
                        int length = cut < 0 ? read - start : cut;
                        chunk.Append(_block.AsSpan(start, length));
                        start += length;
                        // A cut at the end of the file is none.
                        if (cut >= 0 && offset + chunk.Length < file.Size)
                            Cut();
                    }
                }

                var whole = new ContentDigest(digest.GetHashAndReset());
                if (chunks.Count > 0)
                {
                    Cut();
                    return (whole, ChunkedAsync(whole, file.Size, compression!.Value, chunks));
                }

                (PooledBytes plain, long held) = (chunk!, taken);
                (chunk, taken) = (null, 0);
                return (whole, Start(async () =>
                {
                    try
                    {
                        return Committed(whole) ?? await StoreWholeAsync(plain).ConfigureAwait(false);
                    }
                    finally
                    {
                        plain.Return();
                        owner._budget.Return(held);
                    }
                }));
            }
            finally
            {
                chunk?.Return();
                owner._budget.Return(taken);
            }

            void Cut()
            {
                // One way of storing for all chunks of a file: the catalog says it once. The first chunk tells.
                compression ??= ContentPacking.Shrinks(chunk!.Span, _options.CompressionLevel) ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None;
                chunks.Add(StartChunk(chunk!, offset, compression.Value, taken));
                offset += chunk!.Length;
                (chunk, taken) = (null, 0);
            }
        }

        private async Task<StoredContent> ChunkedAsync(ContentDigest digest, long size, CompressionAlgorithm compression, List<Task<StoredChunk>> chunks)
        {
            StoredChunk[] all = await Task.WhenAll(chunks).ConfigureAwait(false);
            return Committed(digest) ?? new StoredContent(size, compression, null, all);
        }

        private Task<StoredChunk> StartChunk(PooledBytes plain, long offset, CompressionAlgorithm compression, long taken)
        {
            int size = plain.Length;
            return Start(async () =>
            {
                try
                {
                    ObjectName name = compression == CompressionAlgorithm.None
                        ? await batch.AddAsync(ObjectKind.Chunk, plain.Memory, _stop.Token).ConfigureAwait(false)
                        : (await StoreAsync(ObjectKind.Chunk, plain, always: true).ConfigureAwait(false)).Name;
                    return new StoredChunk(offset, size, name.Hash);
                }
                finally
                {
                    plain.Return();
                    owner._budget.Return(taken);
                }
            });
        }

        private async Task<StoredContent> StoreWholeAsync(PooledBytes plain)
        {
            (ObjectName name, CompressionAlgorithm compression) = await StoreAsync(ObjectKind.Data, plain, always: false).ConfigureAwait(false);
            return new StoredContent(plain.Length, compression, name.Hash, []);
        }

        private async Task<(ObjectName Name, CompressionAlgorithm Compression)> StoreAsync(ObjectKind kind, PooledBytes plain, bool always)
        {
            await owner._compressors.WaitAsync(_stop.Token).ConfigureAwait(false);
            PooledBytes? compressed;
            try
            {
                compressed = ContentPacking.Compress(plain, always, _options.CompressionLevel);
            }
            finally
            {
                owner._compressors.Release();
            }

            try
            {
                ObjectName name = await batch.AddAsync(kind, (compressed ?? plain).Memory, _stop.Token).ConfigureAwait(false);
                return (name, compressed is null ? CompressionAlgorithm.None : CompressionAlgorithm.Zlib);
            }
            finally
            {
                compressed?.Return();
            }
        }

        // The index may know a content whose objects are not here yet. Those that are here are counted on: nothing is sent in their place.
        private StoredContent? Committed(ContentDigest digest) =>
            store.Index.Content.Find([digest])[0] is { } content && PathObjects.Of(content).All(store.Objects.Refresh) ? content : null;

        private Task<T> Start<T>(Func<Task<T>> work)
        {
            // The work gives back what it holds, so it runs also when it is cancelled.
            Task<T> task = Task.Run(
                async () =>
                {
                    try
                    {
                        return await work().ConfigureAwait(false);
                    }
                    catch
                    {
                        await _stop.CancelAsync().ConfigureAwait(false);
                        throw;
                    }
                },
                CancellationToken.None);
            _tasks.Add(task);
            return task;
        }

        private static PathRejectedException TooLarge() => new(
            PathRejectionCodes.InvalidTree,
            "archive",
            $"The archive has more than {TreeLimits.EntriesMax} files, directories and links, the most that one store path may have.");
    }

    private IngestOptions OptionsOf() => options;

    private sealed class Node(NarEvent entry)
    {
        public ContentDigest Digest { get; set; }

        public Task<StoredContent>? Content { get; set; }

        public List<Node> Children { get; } = [];

        public TreeNode ToTree() => new()
        {
            Kind = entry.Kind switch
            {
                NarEventKind.DirectoryBegin => TreeNodeKind.Directory,
                NarEventKind.Symlink => TreeNodeKind.Symlink,
                _ => TreeNodeKind.Regular,
            },
            Name = entry.Name,
            Executable = entry.Executable,
            Target = entry.Target,
            Digest = Digest,
            Content = Content?.Result,
            Children = Children.Count == 0 ? [] : [.. Children.Select(c => c.ToTree())],
        };
    }
}
