using System.ComponentModel;
using System.Runtime.InteropServices;

namespace CvmfsNix.Cluster.Store.Files;

/// <summary>The times of files, in one call: the framework asks before and after, and this is done for every object that is counted on.</summary>
internal static class FileTimes
{
    private const int CurrentDirectory = -100;
    private const int NoSuchFile = 2;
    private const int NotADirectory = 20;

    /// <summary>Gives a file the present time; false when it is not there.</summary>
    /// <exception cref="IOException">Names the file.</exception>
    public static bool Touch(string path)
    {
        if (SetTimes(CurrentDirectory, path, 0, 0) == 0)
            return true;
        int error = Marshal.GetLastPInvokeError();
        if (error is NoSuchFile or NotADirectory)
            return false;
        throw new IOException($"Cannot set the time of {path}: {new Win32Exception(error).Message}.", error);
    }

    [DllImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    private static extern int SetTimes(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint times, int flags);
}
