using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Item packs with patches. What is read does not depend on the pieces in which it comes, and is never more than was announced.</summary>
public sealed class ItemPackTarget : FuzzTarget
{
    private static readonly byte[] Base = [.. Enumerable.Range(0, 400).Select(i => (byte)(i % 7 == 0 ? 0xff : i)), 0, 0, 0xff, 0xff, 1, 2, 3];

    private static readonly ObjectName BaseName = new(ObjectHasher.Hash(HashAlgorithmId.Sha1, Base), ObjectKind.Catalog);

    public override string Name => "item-pack";

    public override IReadOnlyList<byte[]> Words { get; } =
        ["CNSTORE\u0001\n"u8.ToArray(), "PC\u0001"u8.ToArray(), "OC\u0001"u8.ToArray(), "B"u8.ToArray(), "E"u8.ToArray(), "C\0\0\0\0\0\0\0\0"u8.ToArray(), "L\u0001\0\0\0"u8.ToArray(), new byte[17]];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Write([]);
        yield return Write([1, 2, 3]);
        yield return Write([.. Base, 9, 9, 9]);
        yield return Write([.. Base[200..], .. Base[..404], 5]);
    }

    public override string Run(byte[] input, Random random)
    {
        string outcome = Read(new MemoryStream(input), 4096);
        Oracle.Same(outcome, Read(new FragmentedStream(input, random), 1 + random.Next(100)), "the same bytes in pieces");
        return outcome;
    }

    private static string Read(Stream source, int bufferSize)
    {
        using var reader = new ItemPackReader(source, name => name == BaseName ? new MemoryStream(Base, writable: false) : null);
        byte[] buffer = new byte[bufferSize];
        try
        {
            while (Sync.Run(reader.ReadAsync(default)) is var (_, size, content))
            {
                long read = 0;
                int count;
                while ((count = Sync.Run(content.ReadAsync(buffer))) > 0)
                    read += count;
                if (read != size)
                    throw new OracleException($"An item of {size} bytes has {read}.");
            }

            return Accepted;
        }
        catch (PackFormatException e)
        {
            return e.Message;
        }
    }

    private static byte[] Write(byte[] target)
    {
        using var pack = new MemoryStream();
        var writer = new ItemPackWriter(pack);
        var name = new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, target), ObjectKind.Catalog);
        Sync.Run(new ValueTask(writer.WriteAsync(StoreItem.Of(name), target.Length, new MemoryStream(target), default)));
        Sync.Run(new ValueTask(writer.WriteAsync(StoreItem.OfBlob(new string('1', 64)), 3, new MemoryStream([1, 2, 3]), default)));
        Sync.Run(new ValueTask(writer.WritePatchAsync(name, target.Length, new MemoryStream(target), BaseName, ObjectPatch.Make(Base, target), default)));
        Sync.Run(new ValueTask(writer.FinishAsync(default)));
        return pack.ToArray();
    }
}
