using System.Runtime.InteropServices;
using System.Text;

namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>
/// Replaces this process by another program (<c>execve</c>): same process id, terminal, working directory and descriptors, so that
/// signals, exit code and job control are the program's own. Nothing of this process runs any more.
/// </summary>
internal static unsafe partial class ProcessReplacement
{
    private const int BrokenPipeSignal = 13;

    /// <summary>Starts <paramref name="file"/> in place of this process.</summary>
    /// <param name="file">An absolute path.</param>
    /// <param name="arguments">All of them, the program's name first, as bytes without NUL.</param>
    /// <param name="environment">Variables that are set or, where null, taken away; all others are handed on byte by byte.</param>
    /// <returns>The error text of the system; it returns only where the program could not be started.</returns>
    public static string Execute(string file, IReadOnlyList<byte[]> arguments, IReadOnlyDictionary<string, string?> environment)
    {
        byte** argumentList = Terminated(arguments);
        byte** variables = Terminated(Environ(environment));

        // The runtime ignores this signal, and what is ignored stays ignored: the program would not end with its reader.
        _ = SetSignal(BrokenPipeSignal, 0);
        fixed (byte* path = NulTerminated(Encoding.UTF8.GetBytes(file)))
            _ = ExecutePath(path, argumentList, variables);
        return Marshal.GetLastPInvokeErrorMessage();
    }

    /// <summary>
    /// The last <paramref name="texts"/> of this process's own command line as the bytes they were given in: text loses what is no UTF-8.
    /// Where the command line is another one, the bytes of the texts.
    /// </summary>
    public static IReadOnlyList<byte[]> OwnArguments(IReadOnlyList<string> texts)
    {
        byte[][] given = [.. texts.Select(Encoding.UTF8.GetBytes)];
        byte[] line;
        try
        {
            line = File.ReadAllBytes("/proc/self/cmdline");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return given;
        }

        List<byte[]> all = [];
        for (int start = 0; start < line.Length;)
        {
            int end = Array.IndexOf(line, (byte)0, start);
            all.Add(line[start..(end < 0 ? line.Length : end)]);
            start = end < 0 ? line.Length : end + 1;
        }

        if (all.Count < texts.Count)
            return given;
        byte[][] last = [.. all[^texts.Count..]];
        return texts.Zip(last, static (text, bytes) => Encoding.UTF8.GetString(bytes) == text).All(static same => same) ? last : given;
    }

    private static List<byte[]> Environ(IReadOnlyDictionary<string, string?> changes)
    {
        List<byte[]> variables = [];
        byte** all = *(byte***)NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "environ");
        for (byte** next = all; next != null && *next != null; next++)
        {
            ReadOnlySpan<byte> variable = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(*next);
            int equals = variable.IndexOf((byte)'=');
            if (equals < 0 || !changes.ContainsKey(Encoding.UTF8.GetString(variable[..equals])))
                variables.Add(variable.ToArray());
        }

        foreach ((string name, string? value) in changes)
        {
            if (value is not null)
                variables.Add(Encoding.UTF8.GetBytes($"{name}={value}"));
        }

        return variables;
    }

    // Never given back: either this process is gone in a moment, or it ends with an error message.
    private static byte** Terminated(IReadOnlyList<byte[]> texts)
    {
        byte** list = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            list[i] = (byte*)NativeMemory.AllocZeroed((nuint)(texts[i].Length + 1));
            texts[i].CopyTo(new Span<byte>(list[i], texts[i].Length));
        }

        return list;
    }

    private static byte[] NulTerminated(byte[] text) => [.. text, 0];

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true)]
    private static partial int ExecutePath(byte* file, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetSignal(int signal, nint handler);
}
