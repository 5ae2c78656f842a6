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
    public Task<string> PutAsync(Func<Stream, Task> write, CancellationToken cancellationToken) => PutAsync(null, write, cancellationToken);

    /// <summary>Stores what <paramref name="write"/> writes, if it is what <paramref name="expected"/> names.</summary>
    /// <param name="expected">The digest; null = whatever it is.</param>
    /// <param name="write">Writes the bytes.</param>
    /// <param name="cancellationToken">Stops before it is stored, never after.</param>
    /// <returns>The digest.</returns>
    /// <exception cref="InvalidDataException">The bytes have another digest; nothing was stored.</exception>
    /// <exception cref="IOException">Names the file; nothing is left of it.</exception>
    public async Task<string> PutAsync(string? expected, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(write);
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
            if (expected is not null && expected != digest)
                throw new InvalidDataException($"The bytes that came as {expected} are those of {digest}.");
            string path = PathOf(digest);
            byte directory = DirectoryOf(digest);
            // One that nobody needed any more and that is about to be deleted stays, or is written again.
            if (_directories.Refresh(directory, path))
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

    /// <summary>When a blob was written; null when it is not there.</summary>
    public DateTimeOffset? WrittenAt(string digest)
    {
        var file = new FileInfo(PathOf(digest));
        return file.Exists ? file.LastWriteTimeUtc : null;
    }

    /// <summary>Whether the blob is there.</summary>
    public bool Contains(string digest) => File.Exists(PathOf(digest));

    /// <summary>Those that are not there, in the order given; on return the others survive a power loss, whoever put them there.</summary>
    /// <exception cref="IOException">A directory cannot be made durable.</exception>
    public async Task<IReadOnlyList<string>> ConfirmDurableAsync(IEnumerable<string> digests)
    {
        ArgumentNullException.ThrowIfNull(digests);
        List<string> missing = [];
        HashSet<byte> directories = [];
        foreach (string digest in digests)
        {
            if (_directories.Refresh(DirectoryOf(digest), PathOf(digest)))
                directories.Add(DirectoryOf(digest));
            else
                missing.Add(digest);
        }

        await _directories.SyncAsync(directories).ConfigureAwait(false);
        return missing;
    }

    /// <summary>Whether the text is a digest as this folder names its files.</summary>
    public static bool IsDigest(string text) => text is { Length: 64 } && !text.AsSpan().ContainsAnyExcept(HexDigits);

    /// <summary>Removes a blob; false when it was not there.</summary>
    public bool Delete(string digest)
    {
        string path = PathOf(digest);
        if (!File.Exists(path))
            return false;
        File.Delete(path);
        return true;
    }

    /// <summary>Removes a blob unless it was written, or counted on, at <paramref name="cutoff"/> or later.</summary>
    /// <returns>Its bytes; null when it stays or was not there.</returns>
    public long? DeleteOlder(string digest, DateTimeOffset cutoff) => _directories.DeleteOlder(DirectoryOf(digest), PathOf(digest), cutoff);

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
        if (!IsDigest(digest))
            throw new ArgumentException($"'{digest}' is not a blob's digest: 64 lower-case hex digits.", nameof(digest));
        return Path.Combine(_folder, digest[..2], digest);
    }

    private static byte DirectoryOf(string digest) => Convert.FromHexString(digest.AsSpan(0, 2))[0];
}
