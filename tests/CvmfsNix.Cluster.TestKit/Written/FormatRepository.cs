using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.TestKit.Written;

/// <summary>
/// A repository written with the format library alone, by every way a catalog can be changed: entries of all kinds, also those no store path has,
/// inserted, replaced, removed, taken back; catalogs made in memory and changed in a copy.
/// </summary>
public sealed class FormatRepository : IDisposable
{
    /// <summary>Its name.</summary>
    public const string Name = "format.example.org";

    private const uint DirectoryMode = 0x4000 | 0b111_101_101;
    private const uint FileMode = 0x8000 | 0b110_100_100;
    private const uint LinkMode = 0xA000 | 0b111_111_111;
    private const uint FifoMode = 0x1000 | 0b110_100_100;

    private static readonly Lazy<RepositoryKeys> SharedKeys = new(() => RepositoryKeys.Create(Name, DateTimeOffset.UtcNow));

    private readonly HashAlgorithmId _algorithm;
    private readonly DateTimeOffset _now = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());
    private readonly ReadOnlyMemory<byte> _xattrs = Xattrs.Encode([("user.b"u8.ToArray(), "2"u8.ToArray()), ("user.a"u8.ToArray(), ""u8.ToArray())])!;

    private FormatRepository(HashAlgorithmId algorithm)
    {
        _algorithm = algorithm;
        Folder = Directory.CreateTempSubdirectory("cvmfsnix-format-").FullName;
    }

    /// <summary>The repository folder.</summary>
    public string Folder { get; }

    /// <summary>What clients are configured with.</summary>
    public string MasterPublicKeyPem => SharedKeys.Value.MasterPublicKeyPem;

    /// <summary>Writes the repository.</summary>
    public static FormatRepository Create(HashAlgorithmId algorithm = HashAlgorithmId.Sha1)
    {
        var repository = new FormatRepository(algorithm);
        repository.Write();
        return repository;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private void Write()
    {
        (NestedCatalog deep, CatalogCounts deepCounts) = WriteDeep();
        (NestedCatalog data, CatalogCounts dataCounts) = WriteData(deep, deepCounts);
        (byte[] old, byte[] root) = WriteRoot(data, dataCounts);
        ObjectHash oldHash = Put(ObjectKind.Catalog, ObjectCompression.Compress(old)), rootHash = Put(ObjectKind.Catalog, ObjectCompression.Compress(root));
        byte[] tags = TagDatabase.Write(
            Name,
            [
                new RepositoryTag("trunk", rootHash, 2, _now, root.Length, "current HEAD"),
                new RepositoryTag("trunk-previous", oldHash, 1, _now, old.Length, "default undo target"),
                new RepositoryTag("side", oldHash, 1, _now, old.Length, "", "branch"),
            ]);
        RepositoryKeys keys = SharedKeys.Value;
        var manifest = new Manifest
        {
            RootHash = rootHash,
            RootSize = root.Length,
            TtlSeconds = 300,
            Revision = 2,
            RepositoryName = Name,
            Certificate = Put(ObjectKind.Certificate, ObjectCompression.CompressClassic(keys.Certificate.Pem)),
            History = Put(ObjectKind.History, ObjectCompression.Compress(tags)),
            MetaInfo = Put(ObjectKind.MetaInfo, ObjectCompression.CompressClassic("{}"u8)),
            PublishedAt = _now,
        };
        var whitelist = new Whitelist { CreatedAt = _now, ExpiresAt = _now.AddDays(30), RepositoryName = Name, Fingerprints = [keys.Certificate.Fingerprint(_algorithm)] };
        File.WriteAllBytes(Path.Combine(Folder, ".cvmfspublished"), manifest.Sign(keys.SigningKey).Bytes.ToArray());
        File.WriteAllBytes(Path.Combine(Folder, ".cvmfswhitelist"), whitelist.Sign(keys.MasterKey!, _algorithm));
        File.WriteAllText(Path.Combine(Folder, ".cvmfs_master_replica"), "yes\n");
    }

    private (NestedCatalog Nested, CatalogCounts Counts) WriteDeep()
    {
        RepositoryPath at = RepositoryPath.Parse("/data/deep");
        using CatalogWriter catalog = Catalog(at, 1);
        catalog.Insert(Dir(at, 2, CatalogFlags.NestedRoot));
        catalog.Insert(Regular(at.Combine(".cvmfscatalog"), "") with { Flags = CatalogFlags.Hidden });
        catalog.Insert(Regular(at.Combine([0xff, 0xfe]), "odd name"));
        return Finish(catalog, at);
    }

    private (NestedCatalog Nested, CatalogCounts Counts) WriteData(NestedCatalog deep, CatalogCounts deepCounts)
    {
        RepositoryPath at = RepositoryPath.Parse("/data");
        using CatalogWriter catalog = Catalog(at, 1);
        catalog.Insert(Dir(at, 4, CatalogFlags.NestedRoot) with { Xattrs = _xattrs });
        catalog.Insert(Regular(at.Combine(".cvmfscatalog"), ""));
        catalog.Insert(Regular(at.Combine("plain"), "plain") with { Xattrs = _xattrs });
        catalog.Insert(Stored(at.Combine("stored"), "stored"));
        catalog.Insert(Chunked(at.Combine("chunked"), CompressionAlgorithm.Zlib, "one", "two", "three"));
        catalog.Insert(Chunked(at.Combine("chunked-stored"), CompressionAlgorithm.None, "four", "five"));
        foreach (string member in (string[])["h1", "h2"])
            catalog.Insert(Regular(at.Combine(member), "linked") with { LinkCount = 2, HardlinkGroup = 1 });
        catalog.Insert(new CatalogEntry { Path = at.Combine("fifo"), Mode = FifoMode });
        catalog.Insert(new CatalogEntry { Path = at.Combine("link"), Mode = LinkMode, SymlinkTarget = "plain"u8.ToArray() });
        catalog.Insert(new CatalogEntry
        {
            Path = at.Combine("external"), Mode = FileMode, Size = 77, Flags = CatalogFlags.External, Hash = Hash("elsewhere"u8), HashAlgorithm = _algorithm,
        });
        catalog.Insert(Dir(at.Combine("deep"), 2, CatalogFlags.MountPoint));
        catalog.SetNested(deep);
        catalog.SetSubtree(deepCounts);

        // A directory that is emptied again, a group that is taken back, and replacements that change what is counted.
        RepositoryPath sub = at.Combine("sub");
        catalog.Begin();
        catalog.Insert(Dir(sub, 2));
        catalog.Insert(Regular(sub.Combine("stays"), "stays"));
        catalog.Insert(Chunked(sub.Combine("goes"), CompressionAlgorithm.Zlib, "six", "seven"));
        catalog.Commit();
        catalog.Begin();
        catalog.Insert(Regular(sub.Combine("never"), "never"));
        catalog.Remove(at.Combine("plain"));
        catalog.SetSubtree(CatalogCounts.Zero);
        catalog.Rollback();
        catalog.Begin();
        catalog.Remove(sub.Combine("goes"));
        catalog.Replace(Chunked(at.Combine("chunked"), CompressionAlgorithm.Zlib, "eight", "nine"));
        catalog.Replace(Regular(sub.Combine("stays"), "stays, but longer"));
        catalog.Commit();
        return Finish(catalog, at);
    }

    // Two revisions of the root catalog, the second made by changing a copy of the first.
    private (byte[] Old, byte[] New) WriteRoot(NestedCatalog data, CatalogCounts dataCounts)
    {
        RepositoryPath root = RepositoryPath.Root, at = data.Path;
        byte[] old;
        using (CatalogWriter catalog = Catalog(root, 1))
        {
            catalog.Insert(Dir(root, 3));
            for (int i = 0; i < 40; i++)
                catalog.Insert(Regular(root.Combine($"file{i}"), $"file {i}"));
            catalog.Insert(Dir(at, 4, CatalogFlags.MountPoint) with { Xattrs = _xattrs });
            catalog.SetNested(data);
            catalog.SetSubtree(dataCounts);
            old = catalog.ToBytes();
        }

        string file = Path.Combine(Folder, "copy.sqlite");
        File.WriteAllBytes(file, old);
        try
        {
            using CatalogWriter copy = CatalogWriter.OpenCopy(file);
            copy.Begin();
            copy.Insert(Regular(root.Combine("never"), "never"));
            copy.RemoveNested(at);
            copy.Rollback();
            copy.Begin();
            for (int i = 0; i < 30; i++)
                copy.Remove(root.Combine($"file{i}"));
            copy.Insert(Dir(root.Combine("new"), 2));
            copy.Replace(Dir(root, 4));
            copy.SetNested(data);
            copy.SetProperties(copy.Properties with { Revision = 2, LastModified = _now.ToUnixTimeSeconds() });
            copy.Commit();
            copy.CompactIfSparse();
            return (old, copy.ToBytes());
        }
        finally
        {
            File.Delete(file);
        }
    }

    private CatalogWriter Catalog(RepositoryPath at, ulong revision) => CatalogWriter.Create(new CatalogProperties
    {
        Revision = revision,
        LastModified = _now.ToUnixTimeSeconds(),
        RootPrefix = at,
        TtlSeconds = at.IsRoot ? 300 : null,
    });

    private (NestedCatalog Nested, CatalogCounts Counts) Finish(CatalogWriter catalog, RepositoryPath at)
    {
        byte[] file = catalog.ToBytes();
        return (new NestedCatalog(at, Put(ObjectKind.Catalog, ObjectCompression.Compress(file)), file.Length), catalog.Statistics.Total);
    }

    private CatalogEntry Dir(RepositoryPath path, int links, CatalogFlags role = 0) =>
        new() { Path = path, Mode = DirectoryMode, Size = 4096, ModifiedAt = _now.ToUnixTimeSeconds(), LinkCount = links, Flags = role };

    private CatalogEntry Regular(RepositoryPath path, string content) => Empty(path, content.Length) with
    {
        Hash = Put(ObjectKind.Data, ObjectCompression.Compress(Encoding.UTF8.GetBytes(content))),
    };

    private CatalogEntry Stored(RepositoryPath path, string content) => Empty(path, content.Length) with
    {
        Hash = Put(ObjectKind.Data, Encoding.UTF8.GetBytes(content)),
        Compression = CompressionAlgorithm.None,
    };

    private CatalogEntry Chunked(RepositoryPath path, CompressionAlgorithm compression, params string[] parts)
    {
        var chunks = new List<FileChunk>();
        long offset = 0;
        foreach (byte[] part in parts.Select(Encoding.UTF8.GetBytes))
        {
            chunks.Add(new FileChunk(offset, part.Length, Put(ObjectKind.Chunk, compression == CompressionAlgorithm.Zlib ? ObjectCompression.Compress(part) : part)));
            offset += part.Length;
        }

        return Empty(path, offset) with { Chunks = chunks, Compression = compression };
    }

    private CatalogEntry Empty(RepositoryPath path, long size) =>
        new() { Path = path, Mode = FileMode, Size = size, ModifiedAt = _now.ToUnixTimeSeconds(), HashAlgorithm = _algorithm };

    private ObjectHash Hash(ReadOnlySpan<byte> stored) => ObjectHasher.Hash(_algorithm, stored);

    private ObjectHash Put(ObjectKind kind, byte[] stored)
    {
        var name = new ObjectName(Hash(stored), kind);
        string file = Path.Combine(Folder, name.RelativePath);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, stored);
        return name.Hash;
    }
}
