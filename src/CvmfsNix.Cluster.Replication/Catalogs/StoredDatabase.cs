using System.Buffers;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Staging;

namespace CvmfsNix.Cluster.Replication.Catalogs;

/// <summary>Unpacks catalogs and tag databases that are here into scratch files, and believes the disk no more than the network.</summary>
internal static class StoredDatabase
{
    private const int BufferSize = 128 * 1024;

    /// <summary>Unpacks an object; null when it is not here. One that is here and damaged is removed, so that it can be fetched anew.</summary>
    /// <param name="target">Where it is.</param>
    /// <param name="name">A catalog or tag database.</param>
    /// <param name="size">Bytes of the unpacked file; 0 = not known.</param>
    /// <param name="sizeMax">Most bytes, where that is not known.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>A file that the caller deletes.</returns>
    /// <exception cref="ReplicationException">The object has the digest of its name and is still no good; or the disk failed.</exception>
    public static async Task<string?> UnpackAsync(ReplicaTarget target, ObjectName name, long size, long sizeMax, CancellationToken cancellationToken)
    {
        string file = Path.Combine(target.WorkFolder, $"replica-{Guid.NewGuid():N}.sqlite");
        bool done = false;
        try
        {
            Stream? stored = target.OpenRead(name);
            if (stored is null)
                return null;
            (ObjectHash actual, string? problem) = (default, null);
            await using (stored.ConfigureAwait(false))
                (actual, problem) = await UnpackAsync(stored, name, file, size, sizeMax, cancellationToken).ConfigureAwait(false);
            if (actual != name.Hash)
            {
                target.Objects(name.Hash.Algorithm)!.Delete(name);
                return null;
            }

            if (problem is not null)
                throw new ReplicationException(ReplicationFailure.Corrupt, $"{name} of {target.Repository} has the digest of its name, but {problem}: the repository itself is damaged, whoever serves it.");
            done = true;
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Intake.DiskProblem(e, target);
        }
        finally
        {
            if (!done)
                File.Delete(file);
        }
    }

    private static async Task<(ObjectHash Actual, string? Problem)> UnpackAsync(Stream stored, ObjectName name, string file, long size, long sizeMax, CancellationToken cancellationToken)
    {
        using var hasher = new ObjectHasher(name.Hash.Algorithm);
        var hashed = new TeeReadStream(stored, new HashedStream(Stream.Null, hasher));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        string? problem = null;
        try
        {
            using var handle = File.OpenHandle(file, FileMode.CreateNew, FileAccess.Write);
            Stream plain = ObjectCompression.OpenDecompressor(hashed, CompressionAlgorithm.Zlib, leaveOpen: true);
            await using (plain.ConfigureAwait(false))
            {
                long max = size > 0 ? size : sizeMax;
                long written = 0;
                try
                {
                    for (int read; problem is null && (read = await plain.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                    {
                        if (read > max - written)
                            problem = $"it unpacks to more than the {max} bytes it should have";
                        else
                            RandomAccess.Write(handle, buffer.AsSpan(0, read), written);
                        written += read;
                    }

                    if (problem is null && size > 0 && written != size)
                        problem = $"it unpacks to {written} bytes where {size} are recorded";
                }
                catch (ObjectCorruptException e)
                {
                    problem = e.What;
                }
            }

            await hashed.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
            return (hasher.Finish(), problem);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
