using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>
/// A small repository of stock shape with at least one of everything, written out by hand:
/// <code>
/// /            root catalog, revision 7; its previous revision is tagged v1
///   sw/        readme, link
///   data/      nested catalog: plain, stored, empty, chunked, chunked and stored, external, SHAKE-128 and hard-linked files,
///              a fifo, attributes, a name that is not ASCII
///     deep/    nested catalog in a nested catalog, its marker hidden
/// </code>
/// </summary>
internal static class GoodRepository
{
    public const string Name = "damage.example.org";
    public const long Revision = 7;

    /// <summary>When it was published, and the clock of whoever checks it.</summary>
    public static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 34, 56, TimeSpan.Zero);

    private const int DirectoryMode = 0x4000 | 0b111_101_101;
    private const int FileMode = 0x8000 | 0b110_100_100;
    private const int ProgramMode = 0x8000 | 0b111_101_101;
    private const int LinkMode = 0xA000 | 0b111_111_111;
    private const int FifoMode = 0x1000 | 0b110_100_100;
    private const int DirectorySize = 4096;

    /// <summary>Version 1, one attribute: user.note=abc.</summary>
    private static readonly byte[] Xattr = [1, 1, 9, 3, .. "user.noteabc"u8];

    /// <summary>Fills an empty folder.</summary>
    public static void Write(string folder, RepositoryKeys keys)
    {
        string empty = Zlib([]), hello = Zlib("hello"u8), twin = Zlib("twin!"u8), inside = Zlib("inside"u8), odd = Zlib("odd"u8), readme = Zlib("readme"u8);
        string program = Zlib("#!/bin/sh\n"u8), note = Zlib("note"u8);
        string raw = StoredObjects.Put(folder, "rawbytes"u8.ToArray(), "");
        string shake = Shake("shake"u8);
        byte[] big = new byte[3000];
        new Random(7).NextBytes(big);
        CatalogRow bigFile = File("/data/big", 68, 3000) with
        {
            Chunks = [(0, 7, Zlib(big.AsSpan(0, 7), "P")), (7, 993, Zlib(big.AsSpan(7, 993), "P")), (1000, 2000, Zlib(big.AsSpan(1000), "P"))],
        };
        CatalogRow bigRaw = File("/data/bigraw", 68 | 2048, 10) with
        {
            Chunks = [(0, 4, StoredObjects.Put(folder, "0123"u8.ToArray(), "P")), (4, 6, StoredObjects.Put(folder, "456789"u8.ToArray(), "P"))],
        };

        byte[] deepFile = GoodCatalog.Write(
            [("revision", 1), ("last_modified", At(-3600)), ("root_prefix", "/data/deep")],
            [
                Directory("/data/deep", 33, 3),
                File("/data/deep/.cvmfscatalog", 4 | 0x8000, 0, empty),
                Directory("/data/deep/bin", 1, 2),
                new CatalogRow("/data/deep/bin/run", ProgramMode, 4) { Size = 10, Hash = program },
                Link("/data/deep/sh", "$(FOO:-/bin)/sh"),
            ],
            [],
            [("self_regular", 2), ("self_symlink", 1), ("self_dir", 2), ("self_file_size", 10)]);
        string deep = Zlib(deepFile, "C");

        byte[] dataFile = GoodCatalog.Write(
            [("revision", 3), ("last_modified", At(-3600)), ("root_prefix", "/data")],
            [
                Directory("/data", 33, 4) with { Xattr = Xattr },
                File("/data/.cvmfscatalog", 4, 0, empty),
                File("/data/hello", 4, 5, hello) with { Xattr = Xattr },
                File("/data/raw", 4 | 2048, 8, raw),
                File("/data/empty", 4, 0, empty),
                File("/data/h1", 4, 5, twin) with { Links = 3, Group = 1 },
                File("/data/h2", 4, 5, twin) with { Links = 3, Group = 1 },
                File("/data/h3", 4, 5, twin) with { Links = 3, Group = 1 },
                bigFile,
                bigRaw,
                new CatalogRow("/data/pipe", FifoMode, 20),
                File("/data/ext", 4 | 128, 1234, new string('e', 40)),
                Directory("/data/d", 1, 2),
                File("/data/d/inside", 4, 6, inside),
                Link("/data/link", "d/inside"),
                Directory("/data/deep", 3, 3),
                File("/data/gar\u00e7on", 4, 3, odd),
                File("/data/shake", 4 | 512, 5, shake),
            ],
            [("/data/deep", deep, deepFile.Length)],
            [
                ("self_regular", 13), ("self_symlink", 1), ("self_special", 1), ("self_dir", 3), ("self_nested", 1), ("self_chunked", 2), ("self_chunks", 5),
                ("self_file_size", 4286), ("self_chunked_size", 3010), ("self_xattr", 2), ("self_external", 1), ("self_external_file_size", 1234),
                ("subtree_regular", 2), ("subtree_symlink", 1), ("subtree_dir", 2), ("subtree_file_size", 10),
            ]);
        string data = Zlib(dataFile, "C");

        byte[] oldFile = GoodCatalog.Write(
            [("revision", Revision - 1), ("last_modified", At(-7200)), ("TTL", 240)],
            [Directory("", 1, 2), File("/note", 4, 4, note)],
            [],
            [("self_regular", 1), ("self_dir", 1), ("self_file_size", 4)]);
        string old = Zlib(oldFile, "C");

        byte[] rootFile = GoodCatalog.Write(
            [("revision", Revision), ("last_modified", At(-10)), ("TTL", 240), ("previous_revision", old)],
            [
                Directory("", 1, 4),
                Directory("/sw", 1, 2),
                File("/sw/readme", 4, 6, readme),
                Link("/sw/link", "readme"),
                Directory("/data", 3, 4) with { Xattr = Xattr },
            ],
            [("/data", data, dataFile.Length)],
            [
                ("self_regular", 1), ("self_symlink", 1), ("self_dir", 3), ("self_nested", 1), ("self_file_size", 6), ("self_xattr", 1),
                ("subtree_regular", 15), ("subtree_symlink", 2), ("subtree_special", 1), ("subtree_dir", 5), ("subtree_nested", 1), ("subtree_chunked", 2),
                ("subtree_chunks", 5), ("subtree_file_size", 4296), ("subtree_chunked_size", 3010), ("subtree_xattr", 2), ("subtree_external", 1),
                ("subtree_external_file_size", 1234),
            ]);
        string root = Zlib(rootFile, "C");

        string certificate = StoredObjects.Put(folder, ObjectCompression.CompressClassic(keys.Certificate.Pem), "X");
        string metaInfo = StoredObjects.Put(folder, ObjectCompression.CompressClassic("{\"organisation\":\"damage\"}"u8), "M");
        string history = Zlib(Tags((root, rootFile.Length), (old, oldFile.Length)), "H");
        byte[] reflog = Reflog(root, old, certificate, history, metaInfo);
        System.IO.File.WriteAllBytes(Path.Combine(folder, ".cvmfsreflog"), reflog);
        System.IO.File.WriteAllText(Path.Combine(folder, ".cvmfs_master_replica"), "This file permits replication.\n");
        string manifest = string.Create(
            CultureInfo.InvariantCulture,
            $"C{root}\nB{rootFile.Length}\nRd41d8cd98f00b204e9800998ecf8427e\nD240\nS{Revision}\nGno\nAno\nN{Name}\nX{certificate}\nH{history}\nT{At(0)}\nM{metaInfo}\nY{StoredObjects.HashOf(reflog)}\n");
        System.IO.File.WriteAllBytes(Path.Combine(folder, ".cvmfspublished"), SignedFile.Manifest(manifest, keys.SigningKey));
        string whitelist = $"{Now.AddDays(-1):yyyyMMddHHmmss}\nE{Now.AddDays(29):yyyyMMddHHmmss}\nN{Name}\n{keys.Certificate.Fingerprint()}\n";
        System.IO.File.WriteAllBytes(Path.Combine(folder, ".cvmfswhitelist"), SignedFile.Whitelist(whitelist, keys.MasterKey!));

        string Zlib(ReadOnlySpan<byte> content, string suffix = "") => StoredObjects.Put(folder, StoredObjects.Deflate(content.ToArray()), suffix);

        string Shake(ReadOnlySpan<byte> content)
        {
            byte[] stored = StoredObjects.Deflate(content.ToArray());
            string hash = ObjectHasher.Hash(HashAlgorithmId.Shake128, stored).ToString();
            StoredObjects.PutAs(folder, hash, stored, "");
            return hash[..40];
        }
    }

    private static long At(int seconds) => Now.ToUnixTimeSeconds() + seconds;

    private static CatalogRow Directory(string path, int flags, int links) => new(path, DirectoryMode, flags) { Links = links, Size = DirectorySize };

    private static CatalogRow File(string path, int flags, long size, string? hash = null) => new(path, FileMode, flags) { Size = size, Hash = hash };

    private static CatalogRow Link(string path, string target) => new(path, LinkMode, 12) { Size = Encoding.UTF8.GetByteCount(target), Symlink = target };

    private static byte[] Tags((string Hash, long Size) root, (string Hash, long Size) old) => SqliteBytes.Create(connection =>
    {
        SqliteBytes.Run(connection, $"""
            CREATE TABLE properties (key TEXT, value TEXT, PRIMARY KEY (key));
            CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER, PRIMARY KEY (branch));
            CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, description TEXT, size INTEGER, branch TEXT, PRIMARY KEY (name));
            CREATE TABLE recycle_bin (hash TEXT, flags INTEGER, PRIMARY KEY (hash));
            INSERT INTO properties VALUES ('schema', '1.0'), ('schema_revision', '3'), ('fqrn', '{Name}');
            INSERT INTO branches VALUES ('', NULL, 0);
            """);
        SqliteBytes.Run(connection, "INSERT INTO tags VALUES ('trunk', $0, $1, $2, 0, 'current HEAD', $3, '')", root.Hash, Revision, At(-10), root.Size);
        SqliteBytes.Run(connection, "INSERT INTO tags VALUES ('v1', $0, $1, $2, 0, 'first release', $3, '')", old.Hash, Revision - 1, At(-7200), old.Size);
    });

    private static byte[] Reflog(string root, string old, string certificate, string history, string metaInfo) => SqliteBytes.Create(connection =>
    {
        SqliteBytes.Run(connection, $"""
            CREATE TABLE properties (key TEXT, value TEXT, PRIMARY KEY (key));
            CREATE TABLE refs (hash TEXT, type INTEGER, timestamp INTEGER, PRIMARY KEY (hash));
            INSERT INTO properties VALUES ('schema', '1.0'), ('schema_revision', '0'), ('fqrn', '{Name}');
            """);
        foreach ((string hash, int type) in new[] { (old, 0), (root, 0), (certificate, 1), (history, 2), (metaInfo, 3) })
            SqliteBytes.Run(connection, "INSERT INTO refs VALUES ($0, $1, $2)", hash, type, At(0));
    });
}
