using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Recovery.Mending;

/// <summary>The lock that a node holds on its data folder, taken so that none starts meanwhile.</summary>
internal static partial class NodeLock
{
    private const int ReadWriteCreateCloseOnExec = 2 | 64 | 0x80000;
    private const int Mode = 0x1A4;
    private const int ExclusiveNoWait = 2 | 4;
    private const int WouldBlock = 11;

    /// <summary>Takes it; disposing gives it back.</summary>
    /// <exception cref="RecoveryException">NodeRuns.</exception>
    /// <exception cref="IOException">There is no such folder, or it cannot be written.</exception>
    public static SafeFileHandle Take(string dataDirectory)
    {
        string file = Path.Combine(dataDirectory, "lock");
        int descriptor = Open(file, ReadWriteCreateCloseOnExec, Mode);
        if (descriptor < 0)
            throw new IOException($"The lock {file} cannot be opened: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}.");
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Lock(descriptor, ExclusiveNoWait) == 0)
            return handle;
        int error = Marshal.GetLastPInvokeError();
        handle.Dispose();
        throw error == WouldBlock
            ? new RecoveryException(RecoveryCodes.NodeRuns, $"A node runs on {dataDirectory}.", dataDirectory, "stop all core nodes first, and start them when this is done")
            : new IOException($"The lock {file} cannot be taken: {new Win32Exception(error).Message}.");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Lock(int descriptor, int operation);
}
