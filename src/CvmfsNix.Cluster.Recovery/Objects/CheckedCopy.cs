using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Recovery.Objects;

/// <summary>Files whose names tell their bytes: read or copied, and compared with the name on the way.</summary>
internal static class CheckedCopy
{
    private const int BufferSize = 128 * 1024;

    /// <summary>The length of an object whose bytes are those of its name; null when it is not there, -1 when they are not.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="from">Its file.</param>
    /// <param name="to">Where to copy it; null = it is only read. Nothing is left there of a wrong one.</param>
    public static long? Object(ObjectName name, string from, string? to = null)
    {
        using var hasher = new ObjectHasher(name.Hash.Algorithm);
        return Run(from, to, hasher.Append, () => hasher.Finish() == name.Hash);
    }

    /// <inheritdoc cref="Object"/>
    /// <param name="sha256">64 lower-case hex digits.</param>
    /// <param name="from">Its file.</param>
    /// <param name="to">Where to copy it; null = it is only read.</param>
    /// <param name="mode">Permissions of the copy; null for those of the umask.</param>
    public static long? Sha256(string sha256, string from, string? to = null, UnixFileMode? mode = null)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        return Run(from, to, bytes => hash.AppendData(bytes), () => Convert.ToHexStringLower(hash.GetHashAndReset()) == sha256, mode);
    }

    /// <summary>Digest and length of a file.</summary>
    public static Backups.BackupFile Describe(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return new Backups.BackupFile(Convert.ToHexStringLower(SHA256.HashData(stream)), stream.Length);
    }

    private delegate void Append(ReadOnlySpan<byte> bytes);

    private static long? Run(string from, string? to, Append append, Func<bool> fits, UnixFileMode? mode = null)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            using var source = new FileStream(from, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (to is not null)
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            using FileStream? target = to is null ? null : Create(to, mode);
            long length = 0;
            for (int read; (read = source.Read(buffer)) > 0; length += read)
            {
                append(buffer.AsSpan(0, read));
                target?.Write(buffer, 0, read);
            }

            if (fits())
                return length;
            target?.Dispose();
            if (to is not null)
                File.Delete(to);
            return -1;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static FileStream Create(string file, UnixFileMode? mode)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0 };
        if (mode is { } wanted && !OperatingSystem.IsWindows())
        {
            // A file that is there would keep its own permissions.
            File.Delete(file);
            options.UnixCreateMode = wanted;
        }

        return new FileStream(file, options);
    }
}
