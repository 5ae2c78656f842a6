using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// The contents of small objects that are asked for again and again, as those of catalogs and of what every client starts are: to open, read and close a
/// file costs as much as the rest of an answer. Each time the file is looked at: one that was deleted, or written over, is not sent from memory. Thread-safe.
/// </summary>
internal sealed class SmallObjects
{
    /// <summary>Larger ones are read each time: of their cost opening is a small part.</summary>
    public const int BytesMax = 16 << 10;

    private const long WeightMax = 32 << 20;
    private const int EntryOverhead = 256;
    private const int SeenPlaces = 1 << 16;

    // A file that is written over within the resolution of its time would look as it did before.
    private static readonly TimeSpan AgeMin = TimeSpan.FromSeconds(2);

    private readonly RecentlyUsed<string, Content> _kept = new(WeightMax, static c => c.Bytes.Length + EntryOverhead);

    // Hashes of names that were asked for: who reads everything once, as replication does, leaves nothing behind.
    private readonly int[] _seen = new int[SeenPlaces];

    /// <summary>The bytes of a file that is as it was when they were kept; else null.</summary>
    public ReadOnlyMemory<byte>? Find(string file)
    {
        if (!_kept.TryGet(file, out Content? content))
            return null;
        var now = new FileInfo(file);
        if (!now.Exists || now.Length != content.Bytes.Length || now.LastWriteTimeUtc != content.WrittenAt)
            return null;
        return content.Bytes;
    }

    /// <summary>Reads and keeps a file that is small and was asked for before.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="handle">The open file.</param>
    /// <param name="size">Its bytes.</param>
    /// <returns>The bytes; null when it is not to be kept, or shorter than it was.</returns>
    public ReadOnlyMemory<byte>? TryKeep(string file, SafeFileHandle handle, long size)
    {
        if (size is 0 or > BytesMax)
            return null;
        int hash = file.GetHashCode(StringComparison.Ordinal);
        ref int place = ref _seen[hash & (SeenPlaces - 1)];
        if (Interlocked.Exchange(ref place, hash) != hash)
            return null;
        // The time first: what is written after it shows.
        DateTime writtenAt = File.GetLastWriteTimeUtc(handle);
        if (writtenAt > DateTime.UtcNow - AgeMin)
            return null;
        var bytes = new byte[size];
        for (int read = 0; read < bytes.Length;)
        {
            int count = RandomAccess.Read(handle, bytes.AsSpan(read), read);
            if (count == 0)
                return null;
            read += count;
        }

        _kept.Add(file, new Content(bytes, writtenAt));
        return bytes;
    }

    private sealed record Content(byte[] Bytes, DateTime WrittenAt);
}
