using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace CvmfsNix.Cluster.TestKit.Networks;

/// <summary>A network interface whose other end is this process: it reads and writes whole IP packets. Gone when it is closed.</summary>
internal sealed partial class TunDevice : IDisposable
{
    /// <summary>Largest packet read at once.</summary>
    public const int PacketMax = 65_600;

    private const int ReadWrite = 2;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int NetworkNamespace = 0x40000000;
    private const nuint SetInterface = 0x400454ca;
    private const ushort TunWithoutHeader = 0x1001;
    private const short Readable = 1;

    private readonly int _file;

    private TunDevice(int file) => _file = file;

    /// <summary>Makes an interface.</summary>
    /// <param name="name">Of the interface, at most 15 characters.</param>
    /// <param name="space">Network namespace by its name; null for this process's own.</param>
    /// <exception cref="Win32Exception">It cannot be made; mostly for want of rights.</exception>
    public static TunDevice Create(string name, string? space)
    {
        TunDevice? made = null;
        Exception? failure = null;
        // A thread belongs to a namespace; this one ends, whichever it was left in.
        var thread = new Thread(() =>
        {
            try
            {
                if (space is not null)
                    Enter(space);
                made = Make(name);
            }
            catch (Win32Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return made ?? throw failure!;
    }

    /// <summary>Waits until one of them has something to read, or the time is over.</summary>
    public static unsafe void Wait(IReadOnlyList<TunDevice> devices, int milliseconds)
    {
        Span<PollEntry> entries = stackalloc PollEntry[devices.Count];
        for (int i = 0; i < devices.Count; i++)
            entries[i] = new PollEntry(devices[i]._file, Readable, 0);
        fixed (PollEntry* first = entries)
            _ = Poll(first, (nuint)devices.Count, milliseconds);
    }

    /// <summary>The next packet; 0 when there is none.</summary>
    public unsafe int Read(Span<byte> buffer)
    {
        fixed (byte* first = buffer)
            return (int)Math.Max(0, Read(_file, first, (nuint)buffer.Length));
    }

    /// <summary>Hands a packet to the interface; one that finds no room is lost, as on a wire.</summary>
    public unsafe void Write(ReadOnlySpan<byte> packet)
    {
        fixed (byte* first = packet)
            _ = Write(_file, first, (nuint)packet.Length);
    }

    public void Dispose() => _ = Close(_file);

    private static void Enter(string space)
    {
        int file = Check(Open("/run/netns/" + space, CloseOnExec), space);
        try
        {
            Check(SetNamespace(file, NetworkNamespace), space);
        }
        finally
        {
            _ = Close(file);
        }
    }

    private static unsafe TunDevice Make(string name)
    {
        int file = Check(Open("/dev/net/tun", ReadWrite | NonBlocking | CloseOnExec), "/dev/net/tun");
        Span<byte> request = stackalloc byte[40];
        request.Clear();
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request[16..], TunWithoutHeader);
        fixed (byte* first = request)
        {
            if (Control(file, SetInterface, first) < 0)
            {
                var failure = new Win32Exception(Marshal.GetLastPInvokeError(), $"{name}: {Marshal.GetLastPInvokeErrorMessage()}");
                _ = Close(file);
                throw failure;
            }
        }

        return new TunDevice(file);
    }

    private static int Check(int result, string what) =>
        result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{what}: {Marshal.GetLastPInvokeErrorMessage()}");

    private readonly record struct PollEntry(int File, short Events, short Happened);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetNamespace(int file, int kind);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int Control(int file, nuint request, byte* argument);

    [LibraryImport("libc", EntryPoint = "read")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial nint Read(int file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial nint Write(int file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "poll")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int Poll(PollEntry* entries, nuint count, int milliseconds);
}
