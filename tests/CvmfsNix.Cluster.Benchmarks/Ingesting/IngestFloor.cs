using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Compression;

namespace CvmfsNix.Cluster.Benchmarks.Ingesting;

/// <summary>
/// What an ingest is compared with: a program that reads every file, hashes it, compresses it, writes what is smaller and makes it durable, on
/// all processors. It talks to nobody, believes everything, and remembers nothing.
/// </summary>
internal static partial class IngestFloor
{
    /// <summary>First argument of a run of this program that is one.</summary>
    public const string Command = "ingest-floor";

    private const int Block = 16 << 20;
    private const int Flushers = 16;

    /// <summary>Runs it in a process of its own.</summary>
    /// <param name="compressor"><c>same</c> as an ingest has, <c>runtime</c> level 6, or <c>classic</c> zlib level 6.</param>
    /// <param name="source">Folder to read.</param>
    /// <param name="destination">Folder to write, on the disk of the node.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<(MeasuredProcess Run, long StoredBytes)> MeasureAsync(string compressor, string source, string destination, CancellationToken cancellationToken)
    {
        MeasuredProcess run = await MeasuredProcess.RunAsync(Environment.ProcessPath!, [Command, compressor, source, destination], cancellationToken);
        return (run, long.Parse(run.Output, CultureInfo.InvariantCulture));
    }

    /// <summary>The program; prints the bytes it stored.</summary>
    public static int Run(string[] arguments)
    {
        (string compressor, string source, string destination) = (arguments[0], arguments[1], arguments[2]);
        Directory.CreateDirectory(destination);
        string[] files = Directory.GetFiles(source, "*", SearchOption.AllDirectories);
        using var written = new BlockingCollection<Microsoft.Win32.SafeHandles.SafeFileHandle>(1024);
        Thread[] flushers = [.. Enumerable.Range(0, Flushers).Select(_ => new Thread(() =>
        {
            foreach (Microsoft.Win32.SafeHandles.SafeFileHandle file in written.GetConsumingEnumerable())
            {
                RandomAccess.FlushToDisk(file);
                file.Dispose();
            }
        }))];
        foreach (Thread flusher in flushers)
            flusher.Start();
        long stored = 0;
        int next = -1;
        Thread[] workers = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(() =>
        {
            byte[] plain = new byte[Block];
            byte[] packed = new byte[Block];
            for (int i; (i = Interlocked.Increment(ref next)) < files.Length;)
            {
                using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(files[i]);
                int length = RandomAccess.Read(file, plain, 0);
                SHA256.HashData(plain.AsSpan(0, length));
                int size = Compress(compressor, plain.AsSpan(0, length), packed.AsSpan(0, Math.Max(0, length - 1)));
                Microsoft.Win32.SafeHandles.SafeFileHandle result = File.OpenHandle(Path.Combine(destination, i.ToString(CultureInfo.InvariantCulture)), FileMode.CreateNew, FileAccess.Write);
                RandomAccess.Write(result, size > 0 ? packed.AsSpan(0, size) : plain.AsSpan(0, length), 0);
                Interlocked.Add(ref stored, size > 0 ? size : length);
                written.Add(result);
            }
        }))];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
            worker.Join();
        written.CompleteAdding();
        foreach (Thread flusher in flushers)
            flusher.Join();
        Console.WriteLine(stored.ToString(CultureInfo.InvariantCulture));
        return 0;
    }

    // 0 when it does not shrink.
    private static unsafe int Compress(string compressor, ReadOnlySpan<byte> plain, Span<byte> packed)
    {
        if (packed.IsEmpty)
            return 0;
        switch (compressor)
        {
            case "same":
                return BlockCompressor.Best.Compress(plain, packed, CompressionLevel.Optimal);
            case "runtime":
                fixed (byte* start = packed)
                {
                    using var into = new UnmanagedMemoryStream(start, packed.Length, packed.Length, FileAccess.Write);
                    try
                    {
                        using (var zlib = new ZLibStream(into, CompressionLevel.Optimal, leaveOpen: true))
                            zlib.Write(plain);
                    }
                    catch (Exception e) when (e is NotSupportedException or IOException)
                    {
                        return 0;
                    }

                    return (int)into.Position;
                }

            default:
                fixed (byte* start = packed)
                fixed (byte* from = plain)
                {
                    nuint length = (nuint)packed.Length;
                    const int Level = 6;
                    return ClassicCompress(start, &length, from, (nuint)plain.Length, Level) == 0 ? (int)length : 0;
                }
        }
    }

    [LibraryImport("libz.so.1", EntryPoint = "compress2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int ClassicCompress(byte* destination, nuint* length, byte* source, nuint sourceLength, int level);
}
