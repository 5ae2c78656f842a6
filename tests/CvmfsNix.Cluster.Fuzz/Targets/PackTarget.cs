using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Object packs. An accepted one has only one form, so writing it again gives the same bytes; in pieces it reads the same.</summary>
public sealed class PackTarget : FuzzTarget
{
    public override string Name => "pack";

    public override IReadOnlyList<byte[]> Words { get; } = ["CNPACK\u0001\n"u8.ToArray(), "O\0\0\u0001"u8.ToArray(), "OP\u0001\u0001"u8.ToArray(), "E"u8.ToArray(), new byte[17]];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Write();
        yield return Write("hello");
        yield return Write("a", "", new string('x', 300));
    }

    public override string Run(byte[] input, Random random)
    {
        using var copy = new MemoryStream();
        string outcome = Read(new MemoryStream(input), new ObjectPackWriter(copy), 4096);
        if (outcome == Accepted)
            Oracle.Same(input, copy.ToArray(), "the pack written again");
        bool skip = random.Next(2) == 0;
        Oracle.Same(outcome, Read(new FragmentedStream(input, random), skip ? null : new ObjectPackWriter(Stream.Null), 1 + random.Next(100)), "the same bytes in pieces");
        return outcome;
    }

    private static string Read(Stream source, ObjectPackWriter? writer, int bufferSize)
    {
        var reader = new ObjectPackReader(source);
        byte[] buffer = new byte[bufferSize];
        try
        {
            while (Sync.Run(reader.ReadAsync(default)) is { } next)
            {
                if (writer is null)
                    continue;
                using var content = new MemoryStream();
                int count;
                while ((count = Sync.Run(next.Content.ReadAsync(buffer))) > 0)
                    content.Write(buffer, 0, count);
                Sync.Run(writer.WriteAsync(next.Header, content.ToArray(), default));
            }

            if (writer is not null)
                Sync.Run(new ValueTask(writer.FinishAsync(default)));
            return Accepted;
        }
        catch (PackFormatException e)
        {
            return e.Message;
        }
    }

    private static byte[] Write(params string[] contents)
    {
        using var pack = new MemoryStream();
        var writer = new ObjectPackWriter(pack);
        foreach (string content in contents)
        {
            byte[] stored = ObjectCompression.Compress(System.Text.Encoding.ASCII.GetBytes(content));
            ObjectKind kind = content.Length > 100 ? ObjectKind.Chunk : ObjectKind.Data;
            var name = new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), kind);
            Sync.Run(writer.WriteAsync(new PackedObject(name, CompressionAlgorithm.Zlib, stored.Length, content.Length), stored, default));
        }

        Sync.Run(new ValueTask(writer.FinishAsync(default)));
        return pack.ToArray();
    }
}
