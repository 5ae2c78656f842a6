using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Fuzz.Reading;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Stored objects: inflated or refused, never beyond the bound, and in pieces the same.</summary>
public sealed class ZlibTarget : FuzzTarget
{
    private const int ContentMax = 256 * 1024;

    public override string Name => "zlib";

    public override IReadOnlyList<byte[]> Words { get; } = [[0x78, 0x9c], [0x78, 0x01], [0x78, 0xda], [3, 0, 0, 0, 0, 1], [0, 0, 0xff, 0xff]];

    // The content may grow to its bound whatever the input, and is held twice by a doubling buffer, per reading.
    public override AllocationBound Allocation => new(6 * ContentMax, 64);

    public override IEnumerable<byte[]> Seeds() =>
    [
        ObjectCompression.Empty.ToArray(),
        ObjectCompression.CompressClassic("{}"u8),
        ObjectCompression.Compress(new byte[100_000]),
        ObjectCompression.Compress("hello, world"u8),
        ObjectCompression.Compress(Golden.Certificate.Pem, System.IO.Compression.CompressionLevel.NoCompression),
        ObjectCompression.Compress(Golden.Certificate.Pem),
    ];

    public override string Run(byte[] input, Random random)
    {
        string outcome;
        byte[]? content = null;
        try
        {
            content = ObjectCompression.Decompress(input, ContentMax);
            outcome = Accepted;
        }
        catch (ObjectCorruptException e)
        {
            outcome = e.Message;
        }

        if (outcome.Contains("longer than the allowed", StringComparison.Ordinal))
            return outcome;
        using Stream pieces = ObjectCompression.OpenDecompressor(new FragmentedStream(input, random), CompressionAlgorithm.Zlib);
        byte[] buffer = new byte[1 + random.Next(3000)];
        int at = 0;
        string again = Accepted;
        try
        {
            int count;
            while ((count = random.Next(2) == 0 ? pieces.Read(buffer) : Sync.Run(pieces.ReadAsync(buffer))) > 0)
            {
                if (content is not null)
                    Oracle.Require(content.AsSpan(Math.Min(at, content.Length)).StartsWith(buffer.AsSpan(0, count)), "the content in pieces differs");
                at += count;
            }
        }
        catch (ObjectCorruptException e)
        {
            again = e.Message;
        }

        // Which fault comes first may depend on the pieces; whether there is one must not.
        Oracle.Require((again == Accepted) == (outcome == Accepted), $"whole: {outcome}; in pieces: {again}");
        Oracle.Require(content is null || at == content.Length, "the content in pieces has another length");
        return outcome;
    }
}
