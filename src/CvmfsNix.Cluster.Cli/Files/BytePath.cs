using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Cli.Files;

/// <summary>
/// Makes files whose names are any bytes, as a repository may hold them: the framework's strings cannot carry a name
/// that is not UTF-8. Paths are absolute, without a terminating NUL. Failures are <see cref="IOException"/>s that name the path.
/// </summary>
internal static partial class BytePath
{
    private const int WriteOnly = 1;
    private const int Create = 0x40;
    private const int Exclusive = 0x80;
    private const int CloseOnExec = 0x80000;
    private const int AtCurrentFolder = -100;
    private const int RemoveDirectoryFlag = 0x200;
    private const int NoEntry = 2;

    public static byte[] Of(string path) => Encoding.UTF8.GetBytes(path);

    public static string Show(ReadOnlySpan<byte> path) => Encoding.UTF8.GetString(path);

    public static byte[] Combine(ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name) =>
        folder.EndsWith("/"u8) ? [.. folder, .. name] : [.. folder, (byte)'/', .. name];

    public static ReadOnlySpan<byte> Parent(ReadOnlySpan<byte> path)
    {
        int slash = path.LastIndexOf((byte)'/');
        return slash <= 0 ? "/"u8 : path[..slash];
    }

    /// <summary>True when something is there, a dangling link too.</summary>
    public static bool Exists(ReadOnlySpan<byte> path)
    {
        Span<byte> one = stackalloc byte[1];
        return ReadLink(Terminated(path), one, 1) >= 0 || Marshal.GetLastPInvokeError() is not (NoEntry or 20);
    }

    public static void MakeDirectory(ReadOnlySpan<byte> path) => Check(MakeDirectory(Terminated(path), 0b111_101_101), path);

    public static void MakeSymlink(ReadOnlySpan<byte> target, ReadOnlySpan<byte> path) => Check(MakeLink(Terminated(target), Terminated(path)), path);

    /// <summary>Replaces what is there, if it is no directory.</summary>
    public static void Rename(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to) => Check(RenameNative(Terminated(from), Terminated(to)), to);

    /// <summary>A new file for writing; never one that is there already, nor through a link.</summary>
    public static Stream CreateFile(ReadOnlySpan<byte> path, bool executable)
    {
        int descriptor = Open(
            Terminated(path), WriteOnly | Create | Exclusive | CloseOnExec, executable ? 0b111_101_101u : 0b110_100_100u);
        Check(descriptor, path);
        return new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Write, 64 * 1024);
    }

    /// <summary>Removes a tree this program made; nothing happens when it is not there. Best effort: it is used to clean up.</summary>
    public static void RemoveTree(ReadOnlySpan<byte> path)
    {
        byte[] terminated = Terminated(path);
        if (Unlink(AtCurrentFolder, terminated, 0) == 0 || Marshal.GetLastPInvokeError() == NoEntry)
            return;
        foreach (Nix.Files.DiskEntry child in Children(path))
            RemoveTree(child.FullPath.Span);
        _ = Unlink(AtCurrentFolder, terminated, RemoveDirectoryFlag);
    }

    private static IReadOnlyList<Nix.Files.DiskEntry> Children(ReadOnlySpan<byte> path)
    {
        try
        {
            return Nix.Files.DiskTree.List(path);
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static byte[] Terminated(ReadOnlySpan<byte> path) => [.. path, 0];

    private static void Check(int result, ReadOnlySpan<byte> path)
    {
        if (result < 0)
            throw new IOException($"{Show(path)}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true)]
    private static partial int MakeDirectory(byte[] path, uint mode);

    [LibraryImport("libc", EntryPoint = "symlink", SetLastError = true)]
    private static partial int MakeLink(byte[] target, byte[] path);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true)]
    private static partial int RenameNative(byte[] from, byte[] to);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte[] path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    private static partial nint ReadLink(byte[] path, Span<byte> buffer, nint size);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int Unlink(int folder, byte[] path, int flags);
}
