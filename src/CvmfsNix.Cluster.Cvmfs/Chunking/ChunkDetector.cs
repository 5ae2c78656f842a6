namespace CvmfsNix.Cluster.Cvmfs.Chunking;

/// <summary>
/// Finds content-defined chunk boundaries as the stock xor32 detector does, fed piece by piece.
/// Per byte: x = (x &lt;&lt; 1) xor byte, in 32 bits, so x depends on the last 32 bytes. Feeding starts 32 bytes before the shortest chunk is full;
/// from then on a byte fires when m − t &lt; x &lt; m + t or x is all ones, with m = 2^31 − 1 and t = (2^32 − 1) / average.
/// The firing byte begins the next chunk. Without one, the chunk ends at the longest size. Not thread-safe.
/// </summary>
public sealed class ChunkDetector
{
    private const int Window = 32;
    private const long Mebibyte = 1024 * 1024;
    private const uint Middle = int.MaxValue;

    private readonly long _min;
    private readonly long _max;
    private readonly uint _low;
    private readonly uint _span;
    private long _position;
    private uint _state;

    /// <summary>Sizes in bytes; the defaults are the stock server's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 32 ≤ min ≤ avg ≤ max.</exception>
    public ChunkDetector(long min = 4 * Mebibyte, long avg = 8 * Mebibyte, long max = 16 * Mebibyte)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(min, Window);
        ArgumentOutOfRangeException.ThrowIfLessThan(avg, min);
        ArgumentOutOfRangeException.ThrowIfLessThan(max, avg);
        _min = min;
        _max = max;
        var threshold = (uint)(uint.MaxValue / avg);
        _low = Middle - threshold + 1;
        _span = threshold == 0 ? 0 : 2 * threshold - 1;
    }

    /// <summary>
    /// Number of leading bytes of <paramref name="data"/> that still belong to the current chunk when a cut falls inside, else −1 when all of them do.
    /// After a cut the next chunk begins: pass the rest of the data, from that count on, in the next call. A chunk ended by the end of the file is not reported.
    /// </summary>
    public int FindCut(ReadOnlySpan<byte> data)
    {
        var i = 0;
        var skip = _min - Window - _position;
        if (skip > 0)
        {
            if (skip >= data.Length)
            {
                _position += data.Length;
                return -1;
            }

            i = (int)skip;
        }

        var warmEnd = (int)Math.Clamp(_min - _position, i, data.Length);
        var state = _state;
        for (; i < warmEnd; i++) state = (state << 1) ^ data[i];
        var hardCut = _max - _position;
        var end = (int)Math.Min(hardCut, data.Length);
        for (; i < end; i++)
        {
            state = (state << 1) ^ data[i];
            if (state - _low < _span || state == uint.MaxValue) return Cut(i);
        }

        if (hardCut < data.Length) return Cut((int)hardCut);
        _state = state;
        _position += data.Length;
        return -1;
    }

    private int Cut(int count)
    {
        _position = 0;
        _state = 0;
        return count;
    }
}
