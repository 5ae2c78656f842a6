using System.Buffers.Binary;
using System.Text;

namespace CvmfsNix.Cluster.Fuzz.Mutation;

/// <summary>Changes bytes in the ways that break readers: flipped bits, lengths that lie, pieces lost, doubled and swapped, ends cut off.</summary>
/// <param name="random">Decides everything.</param>
/// <param name="pool">Other inputs to take pieces from.</param>
/// <param name="words">Pieces of the format.</param>
/// <param name="lengthMax">Longest result.</param>
public sealed class Mutator(Random random, IReadOnlyList<byte[]> pool, IReadOnlyList<byte[]> words, int lengthMax)
{
    private static readonly long[] Boundaries =
    [
        0, 1, -1, 2, 7, 8, 9, 15, 16, 17, 19, 20, 21, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097, 16383, 16384, 32767, 32768, 65535, 65536,
        1 << 20, int.MaxValue, int.MinValue, 1L << 31, uint.MaxValue, 1L << 32, 1L << 40, long.MaxValue, long.MinValue, long.MaxValue - 7, 1L << 62,
    ];

    // Those changes below that keep the length.
    private static readonly int[] InPlace = [0, 0, 1, 1, 2, 3, 6, 9, 11, 12];

    /// <summary>The random numbers of this change.</summary>
    public Random Random => random;

    /// <summary>A number that readers like to get wrong.</summary>
    public long Boundary() => Boundaries[random.Next(Boundaries.Length)];

    /// <summary>A changed copy, by one to many small changes.</summary>
    public byte[] Mutate(byte[] input)
    {
        ArgumentNullException.ThrowIfNull(input);
        List<byte> bytes = [.. input];
        int changes = 1 + (random.Next(3) == 0 ? random.Next(16) : random.Next(3));

        // Many formats say early how long they are: a change that moves nothing gets further into them.
        bool inPlace = random.Next(3) == 0;
        for (int i = 0; i < changes; i++)
            Change(bytes, inPlace ? InPlace[random.Next(InPlace.Length)] : random.Next(18));
        if (bytes.Count > lengthMax)
            bytes.RemoveRange(lengthMax, bytes.Count - lengthMax);
        return [.. bytes];
    }

    private void Change(List<byte> bytes, int how)
    {
        if (bytes.Count == 0)
        {
            Insert(bytes, 0, Some(1 + random.Next(32)));
            return;
        }

        int at = random.Next(bytes.Count);
        switch (how)
        {
            case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 1: bytes[at] = (byte)random.Next(256); break;
            case 2: bytes[at] = (byte)Boundary(); break;
            case 3: bytes[at] = (byte)(bytes[at] + random.Next(-3, 4)); break;
            case 4: Insert(bytes, at, Some(1 + random.Next(16))); break;
            case 5: Insert(bytes, at, Word()); break;
            case 6: Overwrite(bytes, at, Word()); break;
            case 7: bytes.RemoveRange(at, Piece(bytes, at)); break;
            case 8: Insert(bytes, random.Next(bytes.Count), Copy(bytes, at)); break;
            case 9: Overwrite(bytes, random.Next(bytes.Count), Copy(bytes, at)); break;
            case 10: Splice(bytes, at); break;
            case 11: Overwrite(bytes, random.Next(2) == 0 ? at : at & ~7, Number(Boundary())); break;
            case 12: Arithmetic(bytes, at); break;
            case 13: bytes.RemoveRange(at, bytes.Count - at); break;
            case 14: Insert(bytes, bytes.Count, new byte[1 + random.Next(64)]); break;
            case 15: Varint(bytes, at); break;
            case 16: Decimal(bytes, at); break;
            default: Line(bytes, at); break;
        }
    }

    private byte[] Some(int count)
    {
        byte[] bytes = new byte[count];
        if (random.Next(3) > 0)
            random.NextBytes(bytes);
        else
            bytes.AsSpan().Fill((byte)random.Next(256));
        return bytes;
    }

    private byte[] Word() => words.Count > 0 ? words[random.Next(words.Count)] : Number(Boundary());

    private byte[] Number(long value)
    {
        byte[] bytes = new byte[8];
        bool big = random.Next(3) == 0;
        if (big)
            BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        else
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        int size = 1 << random.Next(1, 4);
        return big ? bytes[(8 - size)..] : bytes[..size];
    }

    private int Piece(List<byte> bytes, int at)
    {
        int room = bytes.Count - at;
        return random.Next(4) switch { 0 => 1, 1 => Math.Min(room, 8), 2 => Math.Min(room, 1 + random.Next(64)), _ => 1 + random.Next(room) };
    }

    private byte[] Copy(List<byte> bytes, int at) => [.. bytes.GetRange(at, Math.Min(Piece(bytes, at), Math.Max(1, lengthMax - bytes.Count)))];

    private void Splice(List<byte> bytes, int at)
    {
        byte[] other = pool[random.Next(pool.Count)];
        if (other.Length == 0)
            return;
        int from = random.Next(other.Length);
        byte[] piece = other[from..(from + 1 + random.Next(other.Length - from))];
        if (random.Next(2) == 0)
            bytes.RemoveRange(at, bytes.Count - at);
        Insert(bytes, at, piece);
    }

    private void Arithmetic(List<byte> bytes, int at)
    {
        int size = 1 << random.Next(4);
        if (at + size > bytes.Count)
            return;
        Span<byte> number = stackalloc byte[8];
        bool big = random.Next(2) == 0;
        for (int i = 0; i < size; i++)
            number[i] = bytes[big ? at + size - 1 - i : at + i];
        long value = BinaryPrimitives.ReadInt64LittleEndian(number) + random.Next(-35, 36);
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        for (int i = 0; i < size; i++)
            bytes[big ? at + size - 1 - i : at + i] = number[i];
    }

    private void Varint(List<byte> bytes, int at)
    {
        List<byte> number = [];
        ulong value = (ulong)Boundary();
        for (; value >= 0x80; value >>= 7)
            number.Add((byte)(value | 0x80));
        number.Add((byte)value);
        if (random.Next(2) == 0)
            bytes.RemoveAt(at);
        Insert(bytes, at, [.. number]);
    }

    private void Decimal(List<byte> bytes, int at)
    {
        int start = bytes.FindIndex(at, b => b is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
            return;
        int end = start;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
            end++;
        bytes.RemoveRange(start, end - start);
        string[] odd = [Boundary().ToString(System.Globalization.CultureInfo.InvariantCulture), "", "00", "+1", "-0", "1e9", "18446744073709551616", "9223372036854775808", " 1", "0x10", "1.0"];
        Insert(bytes, start, Encoding.ASCII.GetBytes(random.Next(2) == 0 ? odd[0] : odd[random.Next(odd.Length)]));
    }

    private void Line(List<byte> bytes, int at)
    {
        int start = bytes.LastIndexOf((byte)'\n', at) + 1;
        int end = bytes.IndexOf((byte)'\n', at) + 1;
        if (end == 0 || start >= end)
            return;
        byte[] line = [.. bytes.GetRange(start, end - start)];
        bool moved = random.Next(2) == 0;
        if (moved)
            bytes.RemoveRange(start, line.Length);
        int other = bytes.Count == 0 ? 0 : bytes.IndexOf((byte)'\n', random.Next(bytes.Count)) + 1;
        Insert(bytes, other, line);
    }

    private void Insert(List<byte> bytes, int at, byte[] piece)
    {
        int room = lengthMax - bytes.Count;
        if (room > 0)
            bytes.InsertRange(at, piece.AsSpan(0, Math.Min(room, piece.Length)).ToArray());
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] piece)
    {
        for (int i = 0; i < piece.Length && at + i < bytes.Count; i++)
            bytes[at + i] = piece[i];
    }
}
