namespace CvmfsNix.Cluster.Store.Files;

/// <summary>Files that are there whole or not at all, and survive a power loss.</summary>
public static class DurableFile
{
    /// <summary>
    /// Temporary file, write, fsync, rename, fsync of the folder. On return the file has the new content for good; before, it has the
    /// old or none. <paramref name="temporaryFolder"/> must be on the same file system.
    /// </summary>
    /// <param name="temporaryFolder">Where the temporary file is made; an error leaves nothing behind, a kill leaves one file there.</param>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="content">All of its bytes.</param>
    /// <param name="mode">Permissions; null for those of the umask.</param>
    /// <param name="beforeRename">Called when the temporary file is durable and not yet renamed.</param>
    /// <param name="cancellationToken">Stops before the rename, never after.</param>
    /// <exception cref="IOException">Names the file.</exception>
    public static async Task WriteAtomicAsync(
        string temporaryFolder,
        string path,
        ReadOnlyMemory<byte> content,
        UnixFileMode? mode = null,
        Action? beforeRename = null,
        CancellationToken cancellationToken = default)
    {
        string temporary = Path.Combine(temporaryFolder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            await Task.Run(
                () =>
                {
                    using (var handle = Create(temporary, mode))
                    {
                        RandomAccess.Write(handle, content.Span, 0);
                        RandomAccess.FlushToDisk(handle);
                    }

                    beforeRename?.Invoke();
                    cancellationToken.ThrowIfCancellationRequested();
                    File.Move(temporary, path, overwrite: true);
                    DirectorySync.Sync(Path.GetDirectoryName(Path.GetFullPath(path))!);
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            TryDelete(temporary);
            if (e is IOException or UnauthorizedAccessException)
                throw new IOException($"Cannot write {path}: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Opens a new file for writing.</summary>
    internal static Microsoft.Win32.SafeHandles.SafeFileHandle Create(string path, UnixFileMode? mode = null)
    {
        if (mode is null)
            return File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("A store needs the file permissions and directory fsync of a Unix system.");
        // The framework sets permissions at creation only through a stream: a secret is never readable in between.
        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.ReadWrite, UnixCreateMode = mode, BufferSize = 0,
        });
        return File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
    }

    /// <summary>Makes the bytes of a written file durable.</summary>
    internal static void Flush(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot make {path} durable: {e.Message}", e);
        }
    }

    /// <summary>Removes scratch after an error, which must not be hidden by a second one.</summary>
    internal static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start empties the scratch folder.
        }
    }
}
