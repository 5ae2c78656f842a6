namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>One step in which an object is told by another: bytes of the base, or bytes of the object itself that have to be sent.</summary>
/// <param name="FromBase">Whether the base has the bytes.</param>
/// <param name="Offset">Where they are: in the base, or in the object.</param>
/// <param name="Count">How many; above 0.</param>
public readonly record struct PatchStep(bool FromBase, long Offset, long Count);

/// <summary>
/// Finds what two versions of an object have in common. The catalogs that every revision changes are stored as deflate segments that each end
/// with a flush, and a segment whose rows did not change is the same bytes again. So both versions are cut behind every flush, whatever they
/// really are, and equal pieces are found by what they hold: right for any bytes, and small for these.
/// </summary>
public static class ObjectPatch
{
    // A copy costs a frame; below this the bytes themselves are as cheap.
    private const int CopyMin = 64;

    // Beyond, frames of little use would be sent: bytes that happen to look like flushes.
    private const int LiteralMax = 1 << 30;

    private static ReadOnlySpan<byte> Flush => [0x00, 0x00, 0xff, 0xff];

    /// <summary>The steps that make <paramref name="target"/> of <paramref name="original"/>, in order.</summary>
    public static IReadOnlyList<PatchStep> Make(ReadOnlySpan<byte> original, ReadOnlySpan<byte> target)
    {
        Dictionary<long, (int Offset, int Count)> pieces = Pieces(original);
        var steps = new List<PatchStep>();
        for (int at = 0; at < target.Length;)
        {
            int count = PieceLength(target[at..]);
            ReadOnlySpan<byte> piece = target.Slice(at, count);
            PatchStep? last = steps.Count > 0 ? steps[^1] : null;
            if (last is { FromBase: true } copy && Continues(original, copy, piece))
                steps[^1] = copy with { Count = copy.Count + count };
            else if (count >= CopyMin && pieces.TryGetValue(Key(piece), out var found) && original.Slice(found.Offset, found.Count).SequenceEqual(piece))
                steps.Add(new PatchStep(true, found.Offset, count));
            else if (last is { FromBase: false } literal && literal.Count + count <= LiteralMax)
                steps[^1] = literal with { Count = literal.Count + count };
            else
                steps.Add(new PatchStep(false, at, count));
            at += count;
        }

        return steps;
    }

    /// <summary>Bytes that the steps take in a pack.</summary>
    public static long WireLength(IReadOnlyList<PatchStep> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        return steps.Sum(s => s.FromBase ? ItemPackFrame.CopySize : ItemPackFrame.LiteralSize + s.Count);
    }

    private static Dictionary<long, (int Offset, int Count)> Pieces(ReadOnlySpan<byte> bytes)
    {
        var pieces = new Dictionary<long, (int, int)>();
        for (int at = 0; at < bytes.Length;)
        {
            int count = PieceLength(bytes[at..]);
            if (count >= CopyMin)
                pieces[Key(bytes.Slice(at, count))] = (at, count);
            at += count;
        }

        return pieces;
    }

    private static int PieceLength(ReadOnlySpan<byte> rest)
    {
        int flush = rest.IndexOf(Flush);
        return flush < 0 ? rest.Length : flush + Flush.Length;
    }

    private static bool Continues(ReadOnlySpan<byte> original, PatchStep copy, ReadOnlySpan<byte> piece)
    {
        long next = copy.Offset + copy.Count;
        return piece.Length <= original.Length - next && original.Slice((int)next, piece.Length).SequenceEqual(piece);
    }

    // Bytes with the same key are compared before they are taken for equal.
    private static long Key(ReadOnlySpan<byte> piece)
    {
        var hash = new HashCode();
        hash.AddBytes(piece);
        return ((long)piece.Length << 32) ^ (uint)hash.ToHashCode();
    }
}
