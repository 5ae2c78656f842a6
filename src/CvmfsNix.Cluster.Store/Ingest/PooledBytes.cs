using System.Buffers;
using System.Numerics;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>Bytes in a rented array, with one owner at a time, who hands them on or returns them.</summary>
internal sealed class PooledBytes(int capacity)
{
    private byte[]? _array = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, 1));

    /// <summary>Bytes of memory it takes, which may be nearly twice what was asked for.</summary>
    public static int TakenBy(int capacity) => Math.Max(16, (int)BitOperations.RoundUpToPowerOf2((uint)capacity));

    /// <summary>Bytes in use.</summary>
    public int Length { get; set; }

    /// <summary>The array; at least as long as the capacity asked for.</summary>
    public byte[] Array => _array ?? throw new ObjectDisposedException(nameof(PooledBytes));

    public ReadOnlyMemory<byte> Memory => Array.AsMemory(0, Length);

    public ReadOnlySpan<byte> Span => Array.AsSpan(0, Length);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Array.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>Gives the array back; the owner must know that nobody reads it any more.</summary>
    public void Return()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
            ArrayPool<byte>.Shared.Return(array);
    }
}
