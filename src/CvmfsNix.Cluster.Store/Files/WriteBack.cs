using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Store.Files;

/// <summary>Has the kernel begin to write what it would write at an fsync. Speed alone: nothing is durable by it, and an error shows at the fsync.</summary>
internal static class WriteBack
{
    private const uint BeginToWrite = 2;

    /// <summary>Begins with a range of an open file; does not wait for the device. Where it is not possible nothing happens.</summary>
    public static void Begin(SafeFileHandle file, long offset, long length)
    {
        try
        {
            _ = SyncFileRange(file, offset, length, BeginToWrite);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Not every C library has the call.
        }
    }

    [DllImport("libc", EntryPoint = "sync_file_range")]
    private static extern int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);
}
