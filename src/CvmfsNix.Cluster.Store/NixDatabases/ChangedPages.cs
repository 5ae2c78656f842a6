using System.Buffers.Binary;

namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>
/// Tells from a write-ahead log which pages were written since the log was emptied, in time that does not grow with the database. The log is a header of 32 bytes and frames of 24 bytes and a
/// page; a frame starts with the number of its page, big-endian, from 1.
/// </summary>
internal static class ChangedPages
{
    private const int HeaderBytes = 32;
    private const int FrameHeaderBytes = 24;

    /// <summary>Numbers of pages, with repetitions; none when there is no log.</summary>
    public static IEnumerable<uint> In(string logFile)
    {
        if (!File.Exists(logFile))
            yield break;
        using var log = new FileStream(logFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        byte[] number = new byte[sizeof(uint)];
        for (long at = HeaderBytes; at + FrameHeaderBytes + NixDatabaseSchema.PageSize <= log.Length; at += FrameHeaderBytes + NixDatabaseSchema.PageSize)
        {
            log.Position = at;
            log.ReadExactly(number);
            yield return BinaryPrimitives.ReadUInt32BigEndian(number);
        }
    }
}
