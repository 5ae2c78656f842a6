using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages to objects: missing, flipped, cut, of the wrong content; each kind of object.</summary>
internal static class ObjectDamages
{
    private static readonly (string What, string? Path, bool AlwaysRead, Func<DamageableRepository, string> Find)[] Kinds =
    [
        ("a file", "/data/hello", false, r => r.ContentObject("/data", "/data/hello")),
        ("a file stored uncompressed", "/data/raw", false, r => r.ContentObject("/data", "/data/raw")),
        ("a file of another hash algorithm", "/data/shake", false, r => r.ContentObject("/data", "/data/shake")),
        ("a file in the innermost catalog", "/data/deep/bin/run", false, r => r.ContentObject("/data/deep", "/data/deep/bin/run")),
        ("a file of a tagged revision", "/note", false, r => r.TaggedContentObject("/note")),
        ("the first chunk", "/data/big", false, r => r.ChunkObject("/data", "/data/big", 0)),
        ("the last chunk", "/data/big", false, r => r.ChunkObject("/data", "/data/big", 1000)),
        ("a chunk stored uncompressed", "/data/bigraw", false, r => r.ChunkObject("/data", "/data/bigraw", 4)),
        ("the root catalog", null, true, r => r.CatalogObject("")),
        ("a nested catalog", "/data", true, r => r.CatalogObject("/data")),
        ("a nested catalog in a nested catalog", "/data/deep", true, r => r.CatalogObject("/data/deep")),
        ("the tag database", null, true, r => r.HistoryObject),
        ("the certificate", null, true, r => r.CertificateObject),
        ("the metainfo", null, true, r => r.MetaInfoObject),
    ];

    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        .. Kinds.Select(kind => new RepositoryDamage($"missing: {kind.What}", VerifyRules.ObjectMissing, r =>
        {
            string file = kind.Find(r);
            r.Remove(file);
            return Culprit.OfObject(file, kind.Path);
        })),
        .. Kinds.SelectMany(kind => new[] { ("first", 0), ("middle", 5), ("last", -1) }.Select(at => new RepositoryDamage(
            $"{at.Item1} byte flipped: {kind.What}", VerifyRules.ObjectDigest, r =>
            {
                string file = kind.Find(r);
                r.FlipByte(file, at.Item1 == "middle" ? (int)new FileInfo(r.At(file)).Length / 2 : at.Item2);
                return Culprit.OfObject(file, kind.Path);
            })
        {
            NeedsDeep = !kind.AlwaysRead,
        })),
        new("missing: the empty file", VerifyRules.ObjectMissing, r =>
        {
            string file = r.ContentObject("/data", "/data/empty");
            r.Remove(file);
            return Culprit.OfObject(file);
        }),
        new("a tag names a root catalog that is not there", VerifyRules.ObjectMissing, r =>
        {
            r.EditTags($"UPDATE tags SET hash='{new string('a', 40)}' WHERE name='v1'");
            return new Culprit(null, null, new string('a', 40) + "C");
        }),

        Stored("the file's stream is cut", VerifyRules.ObjectInflate, "readme"u8, stored => stored[..^1]),
        Stored("bytes follow the file's stream", VerifyRules.ObjectInflate, "readme"u8, stored => [.. stored, 0]),
        Stored("the file's stream has a wrong checksum", VerifyRules.ObjectInflate, "readme"u8, stored => [.. stored[..^1], (byte)~stored[^1]]),
        Stored("the file's object holds nothing at all", VerifyRules.ObjectInflate, "readme"u8, _ => []),
        Stored("the file's object is stored as it is", VerifyRules.ObjectInflate, "readme"u8, _ => "readme"u8.ToArray()),
        Stored("the file's object is longer than its row says", VerifyRules.ObjectSize, "readme!"u8, stored => stored),
        Stored("the file's object is shorter than its row says", VerifyRules.ObjectSize, "read"u8, stored => stored),
        new("a chunk is longer than its row says", VerifyRules.ObjectSize, r =>
        {
            string hash = r.PutObject(DamageableRepository.Deflate(new byte[8]), "P");
            string old = r.ChunkObject("/data", "/data/big", 0);
            r.EditCatalog("/data", $"UPDATE chunks SET hash=x'{hash}' WHERE offset=0 AND size=7");
            r.Remove(old);
            return new Culprit("/data/big", r.CatalogHash("/data"), hash + "P");
        })
        {
            NeedsDeep = true,
        },
        new("the empty file is compressed in another way", VerifyRules.EmptyObject, r =>
        {
            string hash = r.PutObject([0x78, 0x01, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 1]);
            r.EditCatalog("/data", $"UPDATE catalog SET hash=x'{hash}' WHERE {Is("/data/empty")}");
            return new Culprit("/data/empty", null, hash);
        })
        {
            NeedsDeep = true,
        },

        new("the root catalog's stream is cut", VerifyRules.ObjectInflate, r =>
        {
            r.EditStoredCatalog("", stored => stored[..^1]);
            return Culprit.OfObject(r.CatalogObject(""));
        }),
        new("bytes follow a nested catalog's stream", VerifyRules.ObjectInflate, r =>
        {
            r.EditStoredCatalog("/data/deep", stored => [.. stored, 0]);
            return Culprit.OfObject(r.CatalogObject("/data/deep"), "/data/deep");
        }),

        Stray("a file lies between the objects' folders", "data/README"),
        Stray("a file in an objects' folder is no object", "data/ab/leftover.tmp"),
        Stray("a folder's name has three letters", "data/abc/0123456789012345678901234567890123456789"),
        Stray("an object has an unknown kind", "data/ab/0123456789012345678901234567890123456789Q"),
    ];

    private static RepositoryDamage Stored(string name, string rule, ReadOnlySpan<byte> content, Func<byte[], byte[]> edit)
    {
        byte[] plain = content.ToArray();
        return new RepositoryDamage(name, rule, r =>
        {
            string old = r.ContentObject("", "/sw/readme");
            string hash = r.PutObject(edit(DamageableRepository.Deflate(plain)));
            r.EditCatalog("", $"UPDATE catalog SET hash=x'{hash}' WHERE {Is("/sw/readme")}");
            r.Remove(old);
            return new Culprit("/sw/readme", null, hash);
        })
        {
            NeedsDeep = true,
        };
    }

    private static RepositoryDamage Stray(string name, string file) => new(name, VerifyRules.StrayFile, r =>
    {
        Directory.CreateDirectory(Path.GetDirectoryName(r.At(file))!);
        File.WriteAllText(r.At(file), "x");
        return new Culprit(null);
    })
    {
        NeedsDeep = true,
    };
}
