using System.Text;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Catalogs;

public class CatalogWriterTests
{
    private static readonly CatalogProperties RootProperties = new() { Revision = 1, LastModified = 1_700_000_000, TtlSeconds = 240 };
    private static readonly RepositoryPath Nested = RepositoryPath.Parse("/sw/x");

    [Fact]
    public void The_worked_example_has_its_rows_flags_and_counters()
    {
        using var folder = new TemporaryFolder();
        using var child = ExampleChild();
        var childBytes = child.ToBytes();
        using (var reader = CatalogReader.Open(folder.Write("n", childBytes)))
        {
            var expected = new CatalogCounts { Regular = 7, Special = 2, Directory = 2, Chunked = 1, Chunks = 3, FileSize = 3000028, ChunkedSize = 3000000, Xattr = 2 };
            Assert.Equal(new CatalogStatistics(expected, CatalogCounts.Zero), reader.Statistics);
            Assert.Equal(expected, reader.CountRows());
            Assert.Equal(Nested, reader.Properties.RootPrefix);
            Assert.Equal(6, reader.SchemaRevision);
            Assert.Equal([33, 4, 68, 1, 20, 20, 4, 4, 4, 4, 2052], reader.All().Select(e => e.StoredFlags));
            Assert.Equal([0L, 7, 1000000], reader.Find(Nested.Combine("big"))!.Chunks.Select(c => c.Offset));
            Assert.Equal((1, 3), (reader.Find(Nested.Combine("h2"))!.HardlinkGroup, reader.Find(Nested.Combine("h2"))!.LinkCount));
            Assert.Equal("94e0e88e632f3568d7598f8fbc7f80830c88c60d", reader.Find(Nested.Combine("hello"))!.Hash.ToString());
        }

        using var root = CatalogWriter.Create(RootProperties);
        var sw = RepositoryPath.Parse("/sw");
        root.Insert(Directory(RepositoryPath.Root, 3));
        root.Insert(Directory(sw, 3));
        root.Insert(new CatalogEntry { Path = sw.Combine("link"), Mode = 0xA1FF, SymlinkTarget = "$(FOO:-/bin)/sh"u8.ToArray() });
        root.Insert(Directory(Nested, 3) with { Flags = CatalogFlags.MountPoint, Xattrs = Attribute });
        root.SetNested(new NestedCatalog(Nested, ObjectHasher.Hash(HashAlgorithmId.Sha1, childBytes), childBytes.Length));
        root.SetSubtree(child.Statistics.Total);
        using var read = CatalogReader.Open(folder.Write("r", root.ToBytes()));
        Assert.Equal(new CatalogStatistics(new CatalogCounts { Directory = 3, Symlink = 1, Nested = 1, Xattr = 1 }, child.Statistics.Self), read.Statistics);
        Assert.Equal([1, 1, 12, 3], read.All().Select(e => e.StoredFlags));
        Assert.Equal(childBytes.Length, read.FindNested(Nested)!.Size);
        Assert.Null(read.FindNested(sw));
    }

    [Fact]
    public void Sqlite_rows_hold_the_keys_of_the_format_and_empty_text_where_there_is_no_name()
    {
        using var folder = new TemporaryFolder();
        using var writer = CatalogWriter.Create(RootProperties);
        writer.Insert(Directory(RepositoryPath.Root, 3));
        writer.Insert(Directory(RepositoryPath.Parse("/a"), 2));
        using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={folder.Write("c", writer.ToBytes())};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT group_concat(rowid||'|'||md5path_1||'|'||md5path_2||'|'||parent_1||'|'||parent_2||'|'||quote(name)||'|'||quote(symlink)||'|'||quote(hash)||'|'||quote(xattr)||'|'||hardlinks, ' ') FROM catalog";
        Assert.Equal(
            "1|338333539836370388|9098107892288553193|0|0|''|''|NULL|NULL|3 2|-2906336618250618618|-744252105585281751|338333539836370388|9098107892288553193|'a'|''|NULL|NULL|2",
            command.ExecuteScalar());
        command.CommandText = "PRAGMA integrity_check";
        Assert.Equal("ok", command.ExecuteScalar());
        command.CommandText = "SELECT group_concat(key||'='||value, ' ') FROM properties";
        Assert.Equal("schema=2.5 schema_revision=6 revision=1 last_modified=1700000000 TTL=240", command.ExecuteScalar());
    }

    [Fact]
    public void Bytes_follow_from_the_inserts_alone()
    {
        var plain = Build(_ => { }, _ => { });
        Assert.Equal(plain, Build(writer => writer.Begin(), writer => writer.Commit()));
        Assert.Equal(plain, Build(_ => { }, writer => writer.ToBytes()));
        Assert.Equal(plain, Build(_ => { }, writer => writer.SetProperties(writer.Properties)));
        Assert.Equal([1, 1], plain[18..20]);
        Assert.Equal(1024, plain[16] << 8 | plain[17]);
        Assert.Equal(plain[24..28], plain[92..96]);

        static byte[] Build(Action<CatalogWriter> before, Action<CatalogWriter> after)
        {
            using var writer = CatalogWriter.Create(RootProperties);
            writer.Insert(Directory(RepositoryPath.Root, 2));
            for (var i = 0; i < 300; i++)
            {
                before(writer);
                writer.Insert(File($"/f{i}", i));
                after(writer);
            }

            return writer.ToBytes();
        }
    }

    [Fact]
    public void What_is_written_is_read_back() => Trees.Sample(tree =>
    {
        using var folder = new TemporaryFolder();
        using var writer = CatalogWriter.Create(RootProperties);
        foreach (var entry in tree) writer.Insert(entry);
        using var reader = CatalogReader.Open(folder.Write("c", writer.ToBytes()), deleteOnClose: true);
        var read = reader.All().ToList();
        Assert.Equal(tree.Select(AsRead).OrderBy(e => e.Path), read.OrderBy(e => e.Path));
        Assert.Equal(reader.CountRows(), reader.Statistics.Self);
        foreach (var entry in read) Assert.Equal(entry, reader.Find(entry.Path));
    }, iter: 60);

    [Fact]
    public void Counters_kept_by_arithmetic_equal_a_recount()
    {
        var edits = Gen.Select(Gen.Int[0, 6], Gen.Int[0, 12], Entries.Array[13]);
        Gen.Select(Gen.Bool, edits.Array[1, 40]).Sample((inFile, steps) =>
        {
            using var folder = new TemporaryFolder();
            var file = folder.File("copy");
            var writer = CatalogWriter.Create(RootProperties);
            writer.Insert(Directory(RepositoryPath.Root, 2));
            if (inFile)
            {
                folder.Write("copy", writer.ToBytes());
                writer.Dispose();
                writer = CatalogWriter.OpenCopy(file);
            }

            var open = false;
            foreach (var (action, slot, entries) in steps)
            {
                var path = RepositoryPath.Parse($"/n{slot}");
                switch (action)
                {
                    case 0 when !open:
                        writer.Begin();
                        open = true;
                        break;
                    case 1 when open:
                        writer.Rollback();
                        open = false;
                        break;
                    case 2 when open:
                        writer.Commit();
                        open = false;
                        break;
                    case 3:
                        writer.Remove(path);
                        break;
                    case 4:
                        writer.SetNested(new NestedCatalog(path, SomeHash, slot));
                        break;
                    case 5:
                        writer.RemoveNested(path);
                        break;
                    default:
                        writer.Replace(entries[slot] with { Path = path });
                        break;
                }
            }

            if (open) writer.Rollback();
            var kept = writer.Statistics;
            using (var reader = CatalogReader.Open(folder.Write("bytes", writer.ToBytes())))
            {
                Assert.Equal(reader.CountRows(), kept.Self);
                Assert.Equal(kept, reader.Statistics);
            }

            writer.Dispose();
            if (!inFile) return;
            using var reopened = CatalogReader.Open(file);
            Assert.Equal(kept, reopened.Statistics);
        }, iter: 100);
    }

    [Fact]
    public void A_rolled_back_group_leaves_no_trace()
    {
        using var writer = CatalogWriter.Create(RootProperties);
        writer.Insert(Directory(RepositoryPath.Root, 2));
        writer.Insert(File("/a", 1));
        var before = writer.ToBytes();
        writer.Begin();
        writer.Replace(File("/a", 2));
        writer.Insert(File("/b", 2));
        writer.SetNested(new NestedCatalog(RepositoryPath.Parse("/n"), SomeHash, 1));
        writer.SetProperties(RootProperties with { Revision = 9 });
        writer.SetSubtree(new CatalogCounts { Regular = 3 });
        Assert.Throws<InvalidOperationException>(() => writer.ToBytes());
        writer.Rollback();
        Assert.Equal(before, writer.ToBytes());
        Assert.False(writer.Contains(RepositoryPath.Parse("/b")));
    }

    [Fact]
    public void An_opened_copy_of_a_golden_catalog_keeps_its_revision_seven_and_counts_on()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("c", Golden.Content(new ObjectName(Golden.Manifest().Manifest.RootHash, ObjectKind.Catalog)));
        var path = RepositoryPath.Parse("/README.md");
        using (var writer = CatalogWriter.OpenCopy(file))
        {
            var before = writer.Statistics.Self;
            writer.Begin();
            writer.Replace(writer.Find(path)! with { Size = 20, ModifiedAtNanos = 5 });
            writer.SetProperties(writer.Properties with { Revision = 7, PreviousRevision = null });
            writer.Commit();
            Assert.Equal(before.FileSize + 2, writer.Statistics.Self.FileSize);
            using var copy = CatalogReader.Open(folder.Write("bytes", writer.ToBytes()));
            Assert.Equal(5, copy.Find(path)!.ModifiedAtNanos);
        }

        using var reader = CatalogReader.Open(file);
        Assert.Equal((7UL, null, 7), (reader.Properties.Revision, reader.Properties.PreviousRevision, reader.SchemaRevision));
        Assert.Equal(reader.CountRows(), reader.Statistics.Self);
    }

    [Fact]
    public void How_often_an_opened_copy_was_saved_does_not_show_in_its_bytes()
    {
        using var folder = new TemporaryFolder();
        byte[] start;
        using (var fresh = CatalogWriter.Create(RootProperties))
        {
            fresh.Insert(Directory(RepositoryPath.Root, 2));
            start = fresh.ToBytes();
        }

        byte[] Edited(string name, int groups)
        {
            folder.Write(name, start);
            using var writer = CatalogWriter.OpenCopy(folder.File(name));
            for (var i = 0; i < 12; i++)
            {
                if (i % (12 / groups) == 0) writer.Begin();
                writer.Insert(File($"/f{i}", i));
                if (i % (12 / groups) == (12 / groups) - 1) writer.Commit();
            }

            return writer.ToBytes();
        }

        byte[] bytes = Edited("many", 12);
        Assert.Equal(Edited("one", 1), bytes);
        // Change counter, pages, the counter they are valid for, and a library that wrote it, always the same.
        uint[] told = [.. ((int[])[24, 28, 92, 96]).Select(at => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)))];
        Assert.Equal([1, (uint)(bytes.Length / 1024), 1, 3_040_000], told);
    }

    [Fact]
    public void A_sparse_copy_is_rebuilt_with_dense_rowids()
    {
        using var folder = new TemporaryFolder();
        using (var fresh = CatalogWriter.Create(RootProperties))
        {
            fresh.Insert(Directory(RepositoryPath.Root, 2));
            for (var i = 0; i < 500; i++) fresh.Insert(File($"/f{i}", i));
            folder.Write("c", fresh.ToBytes());
        }

        using (var writer = CatalogWriter.OpenCopy(folder.File("c")))
        {
            Assert.False(writer.CompactIfSparse());
            for (var i = 0; i < 400; i++) Assert.True(writer.Remove(RepositoryPath.Parse($"/f{i}")));
            var large = writer.ToBytes().Length;
            Assert.True(writer.CompactIfSparse());
            Assert.False(writer.CompactIfSparse());
            Assert.True(writer.ToBytes().Length < large / 2);
        }

        using var reader = CatalogReader.Open(folder.File("c"));
        Assert.Equal(101, reader.All().Count());
    }

    [Fact]
    public void Rows_that_break_a_rule_are_refused()
    {
        using var writer = CatalogWriter.Create(RootProperties);
        writer.Insert(Directory(RepositoryPath.Root, 2));
        var good = File("/f", 1);
        CatalogEntry[] bad =
        [
            good with { LinkCount = 0 },
            good with { LinkCount = 2 },
            good with { Hash = null },
            good with { Mode = 0x1A4 },
            good with { Size = -1 },
            good with { Xattrs = ReadOnlyMemory<byte>.Empty },
            good with { SymlinkTarget = "x"u8.ToArray() },
            good with { HashAlgorithm = HashAlgorithmId.Shake128 },
            good with { Flags = CatalogFlags.Directory },
            good with { Flags = CatalogFlags.MountPoint },
            good with { Hash = null, Size = 3, Chunks = [new FileChunk(0, 2, SomeHash)] },
            good with { Hash = null, Size = 3, Chunks = [new FileChunk(0, 2, SomeHash), new FileChunk(1, 1, SomeHash)] },
            Directory(RepositoryPath.Parse("/d"), 2) with { Hash = SomeHash },
            Directory(RepositoryPath.Parse("/d"), 2) with { Flags = CatalogFlags.MountPoint | CatalogFlags.BindMountPoint },
            Directory(RepositoryPath.Parse("/d"), 2) with { Flags = CatalogFlags.NestedRoot },
            new CatalogEntry { Path = RepositoryPath.Parse("/l"), Mode = 0xA1FF },
        ];
        foreach (var entry in bad) Assert.Throws<ArgumentException>(() => writer.Insert(entry));
        writer.Insert(good);
        Assert.Throws<ArgumentException>(() => writer.Insert(good));
        Assert.Equal(new CatalogCounts { Directory = 1, Regular = 1, FileSize = 1 }, writer.Statistics.Self);
        using var nested = CatalogWriter.Create(RootProperties with { RootPrefix = Nested });
        Assert.Throws<ArgumentException>(() => nested.Insert(good));
        Assert.Throws<ArgumentException>(() => nested.Insert(Directory(Nested, 2)));
    }

    internal static readonly ObjectHash SomeHash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "some"u8);

    internal static CatalogEntry Directory(RepositoryPath path, int links) => new() { Path = path, Mode = 0x41ED, Size = 4096, ModifiedAt = 1, LinkCount = links };

    internal static CatalogEntry File(string path, long size) => new() { Path = RepositoryPath.Parse(path), Mode = 0x81A4, Size = size, ModifiedAt = 1, Hash = SomeHash };

    private static byte[] Attribute { get; } = Xattrs.Encode([("user.note"u8.ToArray(), "abc"u8.ToArray())])!;

    private static readonly Gen<byte[]> Names =
        Gen.Byte.Array[1, 12].Where(name => !name.Contains((byte)'/') && !name.Contains((byte)0) && Encoding.Latin1.GetString(name) is not ("." or ".."));

    private static readonly Gen<CatalogEntry> Entries =
        from kind in Gen.Int[0, 4]
        from size in Gen.Long[0, 1L << 40]
        from hash in Hashing.ObjectHashTests.Hashes.Where(h => !h.IsNull)
        from uid in Gen.UInt
        from mtime in Gen.Long[-5, 1L << 40]
        from compression in Pick.From(CompressionAlgorithm.Zlib, CompressionAlgorithm.None)
        from target in Gen.Byte[1, 255].Array[1, 30]
        from xattrs in Gen.Bool
        from hidden in Gen.Bool
        let common = new CatalogEntry
        {
            Path = RepositoryPath.Root, Mode = 0x81A4, UserId = uid, GroupId = uid / 2, ModifiedAt = mtime, Xattrs = xattrs ? (ReadOnlyMemory<byte>?)Attribute : null,
            Flags = hidden ? CatalogFlags.Hidden : CatalogFlags.None,
        }
        select kind switch
        {
            0 => common with { Mode = 0x41ED, LinkCount = 2, Size = 4096 },
            1 => common with { Mode = 0xA1FF, SymlinkTarget = target },
            2 => common with { Mode = 0x11A4 },
            3 => common with
            {
                Size = size + 2, Compression = compression, HashAlgorithm = hash.Algorithm,
                Chunks = [new FileChunk(0, 1, hash), new FileChunk(1, size + 1, hash)],
            },
            _ => common with { Size = size, Hash = hash, HashAlgorithm = hash.Algorithm, Compression = compression },
        };

    /// <summary>A root and entries below directories made before, names of any bytes.</summary>
    private static readonly Gen<List<CatalogEntry>> Trees =
        Gen.Select(Gen.Int[0, 1000], Names, Entries).Array[0, 25].Select(steps =>
        {
            var tree = new List<CatalogEntry> { Directory(RepositoryPath.Root, 2) };
            foreach (var (where, name, entry) in steps)
            {
                var directories = tree.Where(e => e.Type == EntryType.Directory).ToList();
                var path = directories[where % directories.Count].Path.Combine(name);
                if (tree.TrueForAll(e => e.Path != path)) tree.Add(entry with { Path = path });
            }

            return tree;
        });

    private static CatalogEntry AsRead(CatalogEntry entry) => entry with
    {
        Flags = (CatalogFlags)(entry.StoredFlags & ~0x3F00),
        Size = entry.Type == EntryType.Symlink ? entry.SymlinkTarget.Length : entry.Size,
    };

    private static CatalogWriter ExampleChild()
    {
        var writer = CatalogWriter.Create(new CatalogProperties { Revision = 1, LastModified = 1_700_000_000, RootPrefix = Nested });
        var empty = ObjectHasher.Hash(HashAlgorithmId.Sha1, ObjectCompression.Compress([]));
        writer.Insert(Directory(Nested, 3) with { Flags = CatalogFlags.NestedRoot, Xattrs = Attribute });
        writer.Insert(File("/sw/x/.cvmfscatalog", 0) with { Hash = empty });
        writer.Insert(File("/sw/x/hello", 5) with { Hash = ObjectHasher.Hash(HashAlgorithmId.Sha1, Convert.FromHexString("789ccb48cdc9c90700062c0215")), Xattrs = Attribute });
        writer.Insert(File("/sw/x/raw", 8) with { Compression = CompressionAlgorithm.None });
        foreach (var name in new[] { "h1", "h2", "h3" }) writer.Insert(File("/sw/x/" + name, 5) with { HardlinkGroup = 1, LinkCount = 3 });
        writer.Insert(File("/sw/x/big", 3000000) with
        {
            Hash = null, Chunks = [new FileChunk(0, 7, SomeHash), new FileChunk(7, 999993, SomeHash), new FileChunk(1000000, 2000000, SomeHash)],
        });
        writer.Insert(new CatalogEntry { Path = Nested.Combine("fifo"), Mode = 0x11A4 });
        writer.Insert(new CatalogEntry { Path = Nested.Combine("dev"), Mode = 0x21A4, Size = 259 });
        writer.Insert(Directory(Nested.Combine("d"), 2));
        return writer;
    }
}
