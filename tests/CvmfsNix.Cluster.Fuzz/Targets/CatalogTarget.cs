using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Catalogs, all of their rows through the reader. What can be written is read back as the same.</summary>
public sealed class CatalogTarget : SqliteTarget
{
    public override string Name => "catalog";

    public override AllocationBound Allocation => new(4 << 20, 200);

    public override IEnumerable<byte[]> Seeds()
    {
        foreach ((_, byte[] content) in Golden.Objects(ObjectKind.Catalog).Take(6))
            yield return content;
        ObjectHash hash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "x"u8);
        var top = new CatalogEntry { Path = RepositoryPath.Root, Mode = 16877, LinkCount = 3 };
        RepositoryPath directory = RepositoryPath.Parse("/d");
        using var writer = CatalogWriter.Create(new CatalogProperties { Revision = 3, LastModified = 4, TtlSeconds = 240 });
        writer.Insert(top);
        writer.Insert(top with { Path = directory, LinkCount = 3 });
        for (int i = 0; i < 40; i++)
            writer.Insert(new CatalogEntry { Path = directory.Combine($"file{i:d2}"), Mode = 33188, Size = i, Hash = hash });
        writer.Insert(new CatalogEntry { Path = directory.Combine("link"), Mode = 41471, SymlinkTarget = "file00"u8.ToArray(), Xattrs = Xattrs.Encode([("user.a"u8.ToArray(), "b"u8.ToArray())]) });
        writer.Insert(new CatalogEntry { Path = directory.Combine("big"), Mode = 33188, Size = 30, Chunks = [new FileChunk(0, 10, hash), new FileChunk(10, 20, hash)] });
        writer.Insert(top with { Path = directory.Combine("nested"), LinkCount = 2, Flags = CatalogFlags.MountPoint });
        writer.SetNested(new NestedCatalog(directory.Combine("nested"), hash, 1024));
        yield return writer.ToBytes();
    }

    protected override string Read(string file, Random random)
    {
        CatalogProperties properties;
        CatalogStatistics statistics;
        List<CatalogEntry> entries = [];
        IReadOnlyList<NestedCatalog> nested;
        try
        {
            using var reader = CatalogReader.Open(file);
            (properties, statistics) = (reader.Properties, reader.Statistics);
            long size = new FileInfo(file).Length;
            foreach (CatalogEntry entry in reader.All())
            {
                entries.Add(entry);
                Oracle.Require(entries.Count <= size / 8, "more rows than the file has room for");
                Oracle.Require(entry.Path.IsAtOrBelow(properties.RootPrefix), $"{entry.Path} lies outside of {properties.RootPrefix}");
            }

            nested = reader.Nested();
            _ = reader.CountRows();

            // A damaged index may lead elsewhere than the table it belongs to, but never to another path.
            foreach (CatalogEntry entry in entries.Take(5))
                Oracle.Require(reader.Find(entry.Path) is not { } found || found.Path == entry.Path, $"{entry.Path} is found as another path");
            foreach (NestedCatalog one in nested.Take(5))
                Oracle.Require(reader.FindNested(one.Path) is not { } found || found.Path == one.Path, $"the nested catalog {one.Path} is found as another");
        }
        catch (CatalogFormatException e)
        {
            return e.Message;
        }

        return random.Next(4) == 0 ? WriteAgain(properties, statistics, entries, nested) : Accepted;
    }

    private static string WriteAgain(CatalogProperties properties, CatalogStatistics statistics, List<CatalogEntry> entries, IReadOnlyList<NestedCatalog> nested)
    {
        byte[] bytes;
        try
        {
            using var writer = CatalogWriter.Create(properties);
            foreach (CatalogEntry entry in entries)
                writer.Insert(entry);
            foreach (NestedCatalog one in nested)
                writer.SetNested(one);
            writer.SetSubtree(statistics.Subtree);
            bytes = writer.ToBytes();
        }
        catch (ArgumentException e)
        {
            // Readers take what the stock checker would complain of, writers do not.
            return $"{Accepted} but not to be written: {e.Message[(e.Message.LastIndexOf(':') + 1)..]}";
        }

        using var again = CatalogReader.Open(Second(bytes), deleteOnClose: true);
        Oracle.Require(again.All().SequenceEqual(entries.Select(e => e with { ModifiedAtNanos = null })), "the catalog written and read again has other entries");
        Oracle.Require(again.Nested().SequenceEqual(nested), "the catalog written and read again has other nested catalogs");
        Oracle.Require(again.Properties == properties && again.Statistics.Subtree == statistics.Subtree, "the catalog written and read again has other properties");
        return Accepted + " and written again";
    }
}
