using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Store.Files;

/// <summary>
/// Makes the names in a directory durable. A rename survives a power loss only once the directory that holds the new name has been
/// fsynced; the framework refuses to open directories, so the descriptor comes from the C library.
/// </summary>
public static class DirectorySync
{
    private const int ReadOnlyDirectoryCloseOnExec = 0x10000 | 0x80000;
    private const int ReadOnlyDirectoryCloseOnExecArm = 0x4000 | 0x80000;

    // Looked up in the whole program, not in libc alone: a preloaded wrapper (a power-loss recorder) must see the call as it sees
    // the framework's own.
    private static readonly OpenCall Open = Marshal.GetDelegateForFunctionPointer<OpenCall>(
        NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "open"));

    [UnmanagedFunctionPointer(CallingConvention.Cdecl, SetLastError = true)]
    private delegate int OpenCall([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, int mode);

    /// <summary>Opens, fsyncs and closes <paramref name="directory"/>.</summary>
    /// <exception cref="IOException">It is not there, cannot be read, or the device failed; the message names it.</exception>
    public static void Sync(string directory)
    {
        int flags = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm
            ? ReadOnlyDirectoryCloseOnExecArm
            : ReadOnlyDirectoryCloseOnExec;
        int descriptor = Open(directory, flags, 0);
        if (descriptor < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new IOException($"Cannot open the directory {directory} to make it durable: {new Win32Exception(error).Message}.", error);
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            RandomAccess.FlushToDisk(handle);
        }
        catch (IOException e)
        {
            throw new IOException($"Cannot make the directory {directory} durable: {e.Message}", e);
        }
    }
}
