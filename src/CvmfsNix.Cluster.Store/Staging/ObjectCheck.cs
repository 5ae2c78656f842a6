using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// Takes one uploaded object into a batch, in one pass over its bytes: they are hashed as stored, inflated strictly, and their plaintext
/// is hashed and counted. A builder is not believed in anything.
/// </summary>
internal static class ObjectCheck
{
    private const int BufferSize = 64 * 1024;

    /// <summary>Takes an object that is in memory; returns its plaintext digest.</summary>
    public static async ValueTask<ContentDigest> TakeAsync(
        ObjectBatch batch, PackedObject header, ReadOnlyMemory<byte> stored, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            ContentDigest digest = Inflate(header, stored, buffer);
            CheckName(header, await batch.AddAsync(header.Name.Kind, stored, cancellationToken).ConfigureAwait(false));
            return digest;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Takes an object as it comes in; returns its plaintext digest.</summary>
    public static async ValueTask<ContentDigest> TakeAsync(
        ObjectBatch batch, PackedObject header, Stream stored, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            ContentDigest digest = default;
            ObjectName name = await batch.AddAsync(
                header.Name.Kind,
                async (file, token) => digest = await InflateAsync(header, new TeeReadStream(stored, file), buffer, token).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
            CheckName(header, name);
            return digest;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static unsafe ContentDigest Inflate(PackedObject header, ReadOnlyMemory<byte> stored, byte[] buffer)
    {
        if (header.Compression == CompressionAlgorithm.None)
        {
            SHA256.HashData(stored.Span, buffer);
            return new ContentDigest(buffer.AsSpan(0, ContentDigest.Size));
        }

        using MemoryHandle pin = stored.Pin();
        using var source = new UnmanagedMemoryStream((byte*)pin.Pointer, stored.Length);
        using Stream plain = ObjectCompression.OpenDecompressor(source, header.Compression);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long size = 0;
        try
        {
            for (int read; (read = plain.Read(buffer)) > 0;)
                Append(header, hash, buffer.AsSpan(0, read), ref size);
        }
        catch (ObjectCorruptException e)
        {
            throw Corrupt(header, e.What, e);
        }

        return Finish(header, hash, size);
    }

    private static async ValueTask<ContentDigest> InflateAsync(PackedObject header, Stream stored, byte[] buffer, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long size = 0;
        Stream plain = ObjectCompression.OpenDecompressor(stored, header.Compression, leaveOpen: true);
        await using (plain.ConfigureAwait(false))
        {
            try
            {
                for (int read; (read = await plain.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                    Append(header, hash, buffer.AsSpan(0, read), ref size);
            }
            catch (ObjectCorruptException e)
            {
                throw Corrupt(header, e.What, e);
            }
        }

        return Finish(header, hash, size);
    }

    private static void Append(PackedObject header, IncrementalHash hash, ReadOnlySpan<byte> plain, ref long size)
    {
        size += plain.Length;
        // Stops a bomb at the size its header admits, which the pack's limits bound.
        if (size > header.PlainSize)
            throw Corrupt(header, $"it inflates to more than the {header.PlainSize} bytes its header says");
        hash.AppendData(plain);
    }

    private static ContentDigest Finish(PackedObject header, IncrementalHash hash, long size)
    {
        if (size != header.PlainSize)
            throw Corrupt(header, $"it inflates to {size} bytes, its header says {header.PlainSize}");
        Span<byte> digest = stackalloc byte[ContentDigest.Size];
        hash.GetHashAndReset(digest);
        return new ContentDigest(digest);
    }

    private static void CheckName(PackedObject header, ObjectName actual)
    {
        if (actual != header.Name)
            throw Corrupt(header, $"its bytes are those of {actual}");
    }

    private static StagingRejectedException Corrupt(PackedObject header, string problem, Exception? inner = null) => new(
        StagingRejectionCodes.ObjectCorrupt,
        header.Name.ToString(),
        $"The uploaded object {header.Name} is corrupt: {problem}. Nothing of its pack was taken; send it again.",
        inner);
}
