using CvmfsNix.Cluster.Cvmfs.Catalogs;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Blobs of extended attributes: what is read is written and read as the same.</summary>
public sealed class XattrTarget : FuzzTarget
{
    public override string Name => "xattr";

    public override int LengthMax => 70_000;

    public override AllocationBound Allocation => new(128 * 1024, 16);

    public override IEnumerable<byte[]> Seeds() =>
    [
        Convert.FromHexString("01010903757365722e6e6f7465616263"),
        Xattrs.Encode([("a"u8.ToArray(), default), ("bb"u8.ToArray(), new byte[255]), ("user.c"u8.ToArray(), "x"u8.ToArray())])!,
        Xattrs.Encode([.. Enumerable.Range(1, 255).Select(i => ((ReadOnlyMemory<byte>)new byte[] { (byte)i, 1 }, (ReadOnlyMemory<byte>)new byte[i % 5]))])!,
    ];

    public override string Run(byte[] input, Random random)
    {
        if (!Xattrs.TryDecode(input, out IReadOnlyList<(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)> read))
            return "not well-formed";
        byte[] blob;
        try
        {
            blob = Xattrs.Encode(read)!;
        }
        catch (ArgumentException e) when (e.Message.Contains("twice", StringComparison.Ordinal))
        {
            return Accepted + " with a key twice";
        }

        Oracle.Require(blob.Length == input.Length, "the blob written again has another length");
        Oracle.Require(Xattrs.TryDecode(blob, out IReadOnlyList<(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)> again), "the blob written again is not read");
        (ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)[] sorted = [.. read];
        Array.Sort(sorted, (a, b) => a.Key.Span.SequenceCompareTo(b.Key.Span));
        for (int i = 0; i < sorted.Length; i++)
        {
            Oracle.Same(sorted[i].Key.Span, again[i].Key.Span, "a key read again");
            Oracle.Same(sorted[i].Value.Span, again[i].Value.Span, "a value read again");
        }

        return Accepted;
    }
}
