using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Record files of all three kinds: what is read is written to bytes that read and write as the same, in pieces too.</summary>
public sealed class RecordsTarget : FuzzTarget
{
    private const string File = "f";

    public override string Name => "records";

    // Messages of two bytes become objects of a hundred: that is the price of a record.
    public override AllocationBound Allocation => new(1 << 20, 600);

    public override IEnumerable<byte[]> Seeds()
    {
        var header = new BundleHeader("test.example.org", Guid.Parse("0199a6f0-0000-7000-8000-000000000001"), ConflictPolicy.Refuse, "default", SyntheticPath.NameOf("target"));
        PathRecord[] records = [.. Records().OrderBy(r => r.Info.Path)];
        yield return Write(s => WriteBundle(s, header, records));
        yield return Write(s => WriteBundle(s, header with { Profile = null, ProfileTarget = null, Conflict = ConflictPolicy.Keep }, []));
        yield return Write(s => PathInfoFile.Write(s, records.Select(r => r.Info)));
        yield return Write(s => WriteDelta(s, [.. records.SelectMany(r => r.Objects.Select(o => ((DeltaObject?)o, (DeltaContent?)null)).Concat(r.Contents.Select(c => ((DeltaObject?)null, (DeltaContent?)c))))]));
    }

    public override string Run(byte[] input, Random random)
    {
        string kinds = "";
        foreach ((string kind, Func<Stream, byte[]> copy) in ((string, Func<Stream, byte[]>)[])[("bundle", CopyBundle), ("infos", CopyInfos), ("delta", CopyDelta)])
        {
            (string outcome, byte[]? written) = Try(copy, new MemoryStream(input));
            (string again, byte[]? inPieces) = Try(copy, new FragmentedStream(input, random));
            Oracle.Same(outcome, again, kind + " in pieces");
            if (written is null)
            {
                kinds += $"{kind}: {outcome}; ";
                continue;
            }

            Oracle.Same(written, inPieces, kind + " in pieces");
            Oracle.Same(written, copy(new MemoryStream(written)), kind + " written again");
            return $"{Accepted} {kind}";
        }

        return kinds;
    }

    private static (string Outcome, byte[]? Written) Try(Func<Stream, byte[]> copy, Stream source)
    {
        try
        {
            return (Accepted, copy(source));
        }
        catch (RecordFormatException e)
        {
            return (e.Message, null);
        }
    }

    private static byte[] CopyBundle(Stream source)
    {
        using var reader = new BundleReader(source, HashAlgorithmId.Sha1, File);
        PathRecord[] records = [.. reader.Paths()];
        return Write(s => WriteBundle(s, reader.Header, records));
    }

    private static byte[] CopyInfos(Stream source)
    {
        var infos = PathInfoFile.Read(source, File).ToList();
        return Write(s => PathInfoFile.Write(s, infos));
    }

    private static byte[] CopyDelta(Stream source)
    {
        var items = DeltaFile.Read(source, File).ToList();
        return Write(s => WriteDelta(s, items));
    }

    private static void WriteBundle(Stream stream, BundleHeader header, IEnumerable<PathRecord> records)
    {
        var writer = new BundleWriter(stream, header);
        foreach (PathRecord record in records)
            writer.Write(record);
        writer.Finish();
    }

    private static void WriteDelta(Stream stream, IEnumerable<(DeltaObject? Object, DeltaContent? Content)> items)
    {
        var writer = new DeltaFileWriter(stream);
        foreach ((DeltaObject? o, DeltaContent? content) in items)
        {
            if (o is not null)
                writer.Write(o);
            else
                writer.Write(content!);
        }

        writer.Finish();
    }

    private static byte[] Write(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        return stream.ToArray();
    }

    private static IEnumerable<PathRecord> Records()
    {
        foreach (string name in (string[])["a", "b", "c"])
        {
            SyntheticPath path = SyntheticPath.Of(name, SyntheticTree.Directory(
                ("chunked", SyntheticTree.File("0123456789", chunkSize: 4)), ("f", SyntheticTree.File(name, executable: true)), ("l", SyntheticTree.Symlink("f"))), [SyntheticPath.NameOf("z")]);
            ObjectHash catalog = ObjectHasher.Hash(HashAlgorithmId.Sha1, "catalog"u8);
            yield return new PathRecord
            {
                Info = path.Upload.Info with { Signatures = ["k:x"], ContentAddress = "fixed:r:x", Deriver = SyntheticPath.NameOf("a.drv") },
                InlineTree = name == "b" ? null : path.Upload.Root,
                Nested = name == "b" ? new NestedCatalogRecord(catalog, 4096, new CatalogCounts { Regular = 3, Directory = 1 }, 2) : null,
                Objects = [.. path.Objects.Select(o => new DeltaObject(o.Key, o.Value.Length)), new DeltaObject(new ObjectName(catalog, ObjectKind.Catalog), 5)],
                Contents = [.. path.Upload.Root.Children.Where(c => c.Content is not null).Select(c => new DeltaContent(c.Digest, c.Content!))],
            };
        }
    }
}
