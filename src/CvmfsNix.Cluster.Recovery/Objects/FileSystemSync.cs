using System.ComponentModel;
using System.Runtime.InteropServices;

namespace CvmfsNix.Cluster.Recovery.Objects;

/// <summary>Makes everything written to a file system durable at once: a sync for each of very many files would take longer than writing them.</summary>
internal static partial class FileSystemSync
{
    private const int ReadOnly = 0;

    /// <summary>On return everything written below <paramref name="folder"/> before survives a power loss.</summary>
    /// <exception cref="IOException">The device failed.</exception>
    public static void Flush(string folder)
    {
        int descriptor = Open(folder, ReadOnly);
        if (descriptor < 0)
            throw Failed(folder);
        try
        {
            if (SyncFileSystem(descriptor) != 0)
                throw Failed(folder);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failed(string folder) => new($"Cannot make {folder} durable: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}.");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SyncFileSystem(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
