using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Blobs;

/// <summary>
/// Record files named by the SHA-256 of their bytes, <c>xx/&lt;64 hex&gt;</c>: bundles, delta lists and path infos, which are too large for
/// messages and events and are referred to by digest. Thread-safe.
/// </summary>
public sealed class BlobFolder
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    private readonly string _folder;
    private readonly string _temporaryFolder;
    private readonly HashedDirectories _directories;

    /// <summary>Opens or creates the folder durably; what an earlier process left half written is removed.</summary>
    public BlobFolder(string folder)
    {
        _folder = Path.GetFullPath(folder);
        _temporaryFolder = Path.Combine(_folder, "tmp");
        DurableDirectory.Ensure(_folder);
        Directory.CreateDirectory(_temporaryFolder);
        DurableDirectory.Empty(_temporaryFolder);
        _directories = new HashedDirectories(_folder);
    }

    /// <summary>Stores what <paramref name="write"/> writes; on return it survives a power loss. Writing the same bytes again is cheap.</summary>
    /// <returns>The digest: 64 lower-case hex digits.</returns>
    /// <exception cref="IOException">Names the file; nothing is left of it.</exception>
    public async Task<string> PutAsync(Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        string temporary = Path.Combine(_temporaryFolder, Guid.NewGuid().ToString("N"));
        try
        {
            string digest;
            using (var handle = DurableFile.Create(temporary))
            using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
            {
                var file = new FileStream(handle, FileAccess.Write, bufferSize: 0);
                await using (file.ConfigureAwait(false))
                {
                    var tee = new HashingStream(file, hash);
                    var buffered = new BufferedStream(tee, 64 * 1024);
                    await using (buffered.ConfigureAwait(false))
                        await write(buffered).ConfigureAwait(false);
                }

                digest = Convert.ToHexStringLower(hash.GetHashAndReset());
            }

            cancellationToken.ThrowIfCancellationRequested();
            string path = PathOf(digest);
            byte directory = DirectoryOf(digest);
            if (File.Exists(path))
            {
                DurableFile.TryDelete(temporary);
            }
            else
            {
                await FlushThreads.RunAllAsync([() => DurableFile.Flush(temporary)]).ConfigureAwait(false);
                _directories.Rename(directory, temporary, path);
            }

            await _directories.SyncAsync([directory]).ConfigureAwait(false);
            return digest;
        }
        catch (Exception e)
        {
            DurableFile.TryDelete(temporary);
            if (e is UnauthorizedAccessException)
                throw new IOException($"Cannot write {temporary}: {e.Message}", e);
            throw;
        }
    }

    /// <summary>The bytes; null when there is no such blob. The caller disposes the stream.</summary>
    public Stream? OpenRead(string digest)
    {
        try
        {
            return new FileStream(PathOf(digest), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Bytes of a blob; null when it is not there.</summary>
    public long? Size(string digest)
    {
        var file = new FileInfo(PathOf(digest));
        return file.Exists ? file.Length : null;
    }

    /// <summary>Whether the blob is there.</summary>
    public bool Contains(string digest) => File.Exists(PathOf(digest));

    /// <summary>Removes a blob; false when it was not there.</summary>
    public bool Delete(string digest)
    {
        string path = PathOf(digest);
        if (!File.Exists(path))
            return false;
        File.Delete(path);
        return true;
    }

    /// <summary>Digests of all blobs, in no order; for a sweep.</summary>
    public IEnumerable<string> List()
    {
        for (int i = 0; i < 256; i++)
        {
            string directory = Path.Combine(_folder, i.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
            foreach (string file in Directory.EnumerateFiles(directory))
                yield return Path.GetFileName(file);
        }
    }

    // The digest becomes a path: only hex may get here.
    private string PathOf(string digest)
    {
        ArgumentNullException.ThrowIfNull(digest);
        if (digest.Length != 64 || digest.AsSpan().ContainsAnyExcept(HexDigits))
            throw new ArgumentException($"'{digest}' is not a blob's digest: 64 lower-case hex digits.", nameof(digest));
        return Path.Combine(_folder, digest[..2], digest);
    }

    private static byte DirectoryOf(string digest) => Convert.FromHexString(digest.AsSpan(0, 2))[0];
}
