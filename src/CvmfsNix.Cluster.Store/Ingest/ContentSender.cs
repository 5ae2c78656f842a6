using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Chunking;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Turns the contents that the repository lacks into objects: compressed where that makes them smaller, cut into chunks where they are
/// large. Chunks of one file are compressed in parallel while the file is read on.
/// </summary>
internal sealed class ContentSender(
    HashAlgorithmId algorithm, IngestOptions options, ByteBudget budget, PackSender packs, SemaphoreSlim compressors, CancellationToken cancellationToken)
{
    private const int BlockBytes = 256 * 1024;

    /// <summary>Sends one content; its entry is set once the packs with its objects have been taken. Returns when nothing of the file is needed any more.</summary>
    /// <exception cref="FileChangedException">The file is not the one that was hashed.</exception>
    public Task SendAsync(ScannedFile file) => file.Size > options.ChunkBytesMin ? SendLargeAsync(file) : SendWholeAsync(file);

    private async Task SendWholeAsync(ScannedFile file)
    {
        PooledBytes? plain = file.Kept;
        long taken = PooledBytes.TakenBy((int)file.Size);
        if (plain is null)
        {
            // Twice: the compressed form is made beside it.
            taken = await budget.TakeAsync(2 * taken, cancellationToken).ConfigureAwait(false);
            plain = new PooledBytes((int)file.Size);
        }

        try
        {
            if (file.Kept is null)
            {
                FileContent.ReadWhole(file.DiskPath, file.Size, plain);
                if (FileContent.DigestOf(plain.Span) != file.Entry.Digest)
                    throw FileContent.Changed(file.DiskPath);
            }

            (StoredContent content, Task sent) = await SendDataAsync(plain).ConfigureAwait(false);
            file.Entry.SetWhenSent(content, sent);
        }
        finally
        {
            budget.Return(taken);
        }
    }

    private async Task<(StoredContent Content, Task Sent)> SendDataAsync(PooledBytes plain)
    {
        int size = plain.Length;
        (PooledBytes stored, CompressionAlgorithm compression) = await CompressAsync(plain, null).ConfigureAwait(false);
        var name = new ObjectName(ObjectHasher.Hash(algorithm, stored.Span), ObjectKind.Data);
        Task sent = await packs.AddAsync(new PackedObject(name, compression, stored.Length, size), stored).ConfigureAwait(false);
        return (new StoredContent(size, compression, name.Hash, []), sent);
    }

    private async Task SendLargeAsync(ScannedFile file)
    {
        var detector = new ChunkDetector(options.ChunkBytesMin, options.ChunkBytesAverage, options.ChunkBytesMax);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        List<Task<(StoredChunk Chunk, Task Sent)>> chunks = [];
        CompressionAlgorithm? compression = null;
        PooledBytes? chunk = null;
        long taken = 0;
        long offset = 0;
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using Stream stream = DiskTree.OpenRead(file.DiskPath.Span);
            if (stream.Length != file.Size)
                throw FileContent.Changed(file.DiskPath);
            int read;
            while ((read = await stream.ReadAsync(block.AsMemory(0, BlockBytes), cancellationToken).ConfigureAwait(false)) > 0)
            {
                digest.AppendData(block, 0, read);
                for (int start = 0; start < read;)
                {
                    if (chunk is null)
                    {
                        long capacity = Math.Min(options.ChunkBytesMax, file.Size - offset);
                        // Twice: the compressed form is made beside it.
                        taken = await budget.TakeAsync(capacity * 2, cancellationToken).ConfigureAwait(false);
                        chunk = new PooledBytes((int)capacity);
                    }

                    int cut = detector.FindCut(block.AsSpan(start, read - start));
                    int length = cut < 0 ? read - start : cut;
                    if (length > file.Size - offset - chunk.Length)
                        throw FileContent.Changed(file.DiskPath);
                    chunk.Append(block.AsSpan(start, length));
                    start += length;
                    if (cut >= 0 && offset + chunk.Length < file.Size)
                    {
                        // One way of storing for all chunks of a file: the catalog says it once. The first chunk tells.
                        compression ??= ContentPacking.Shrinks(chunk.Span, options.CompressionLevel) ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None;
                        int size = chunk.Length;
                        chunks.Add(StartChunk(chunk, offset, compression.Value, taken));
                        offset += size;
                        (chunk, taken) = (null, 0);
                    }
                }
            }

            if (offset + (chunk?.Length ?? 0) != file.Size || new ContentDigest(digest.GetHashAndReset()) != file.Entry.Digest)
                throw FileContent.Changed(file.DiskPath);
            if (chunks.Count == 0)
            {
                (StoredContent content, Task sent) = await SendDataAsync(chunk!).ConfigureAwait(false);
                file.Entry.SetWhenSent(content, sent);
                return;
            }

            // A cut at the end of the file is none, so the last chunk is still open.
            chunks.Add(StartChunk(chunk!, offset, compression!.Value, taken));
            taken = 0;
            (StoredChunk Chunk, Task Sent)[] done = await Task.WhenAll(chunks).ConfigureAwait(false);
            file.Entry.SetWhenSent(
                new StoredContent(file.Size, compression.Value, null, [.. done.Select(d => d.Chunk)]),
                Task.WhenAll(done.Select(d => d.Sent)));
        }
        catch
        {
            await ((Task)Task.WhenAll(chunks)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
            if (taken > 0)
                budget.Return(taken);
        }
    }

    private Task<(StoredChunk Chunk, Task Sent)> StartChunk(PooledBytes plain, long offset, CompressionAlgorithm compression, long taken)
    {
        int size = plain.Length;
        return Task.Run(
            async () =>
            {
                try
                {
                    (PooledBytes stored, _) = await CompressAsync(plain, compression).ConfigureAwait(false);
                    var name = new ObjectName(ObjectHasher.Hash(algorithm, stored.Span), ObjectKind.Chunk);
                    Task sent = await packs.AddAsync(new PackedObject(name, compression, stored.Length, size), stored).ConfigureAwait(false);
                    return (new StoredChunk(offset, size, name.Hash), sent);
                }
                finally
                {
                    budget.Return(taken);
                }
            },
            cancellationToken);
    }

    /// <summary>Takes the plaintext over. Without a prescription: compressed if that is smaller.</summary>
    private async Task<(PooledBytes Stored, CompressionAlgorithm Compression)> CompressAsync(PooledBytes plain, CompressionAlgorithm? prescribed)
    {
        if (prescribed == CompressionAlgorithm.None)
            return (plain, CompressionAlgorithm.None);
        await compressors.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            PooledBytes? compressed = ContentPacking.Compress(plain, always: prescribed is not null, options.CompressionLevel);
            if (compressed is null)
                return (plain, CompressionAlgorithm.None);
            plain.Return();
            return (compressed, CompressionAlgorithm.Zlib);
        }
        finally
        {
            compressors.Release();
        }
    }
}
