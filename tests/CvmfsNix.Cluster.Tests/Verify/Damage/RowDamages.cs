using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages to rows of one catalog.</summary>
internal static class RowDamages
{
    private const int Group = 1;

    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        .. Roots, .. Keys, .. Columns, .. Links, .. Chunks, .. Markers,
    ];

    private static RepositoryDamage[] Roots =>
    [
        Row("a nested root is not flagged as one", VerifyRules.RootRow, "/data/deep", "/data/deep", Set("/data/deep", "flags = 1")),
        Row("the root directory is flagged as a nested root", VerifyRules.RootRow, "", "/", Set("", "flags = 33")),
        Row("a nested root has another parent", VerifyRules.RootRow, "/data/deep", "/data/deep", Set("/data/deep", "parent_1 = key1(''), parent_2 = key2('')")),
        Row("the root directory has a parent", VerifyRules.RootRow, "", "/", Set("", "parent_1 = 1")),
        Row("a nested root is a file", VerifyRules.RootRow, "/data/deep", "/data/deep", Set("/data/deep", "mode = 33188")),
        Row("there is no root row", VerifyRules.RootRow, "/data/deep", "/data/deep", $"DELETE FROM catalog WHERE {Is("/data/deep")}"),
    ];

    private static RepositoryDamage[] Keys =>
    [
        Row("the halves of a path's hash are swapped", VerifyRules.PathKey, "/data", "/data/hello", Set("/data/hello", "md5path_1 = md5path_2, md5path_2 = md5path_1")),
        Row("half of a path's hash is of another path", VerifyRules.PathKey, "/data", "/data/hello", Set("/data/hello", "md5path_2 = key2('/data/hallo')")),
        Row("a name does not lead to its row's key", VerifyRules.PathKey, "/data", "/data/hallo", Set("/data/hello", "name = 'hallo'")),
        Row("a row's parent is another directory", VerifyRules.ParentKey, "/data", "/data/hello", Set("/data/hello", "parent_1 = key1('/data/d'), parent_2 = key2('/data/d')")),
        Row("a row lies in a directory that is not there", VerifyRules.DanglingRow, "/data", null, Set(
            "/data/d/inside", "md5path_1 = key1('/data/e/inside'), md5path_2 = key2('/data/e/inside'), parent_1 = key1('/data/e'), parent_2 = key2('/data/e')")),
        Row("a row lies in a file", VerifyRules.DanglingRow, "/data", null, Set(
            "/data/d/inside", "md5path_1 = key1('/data/hello/inside'), md5path_2 = key2('/data/hello/inside'), parent_1 = key1('/data/hello'), parent_2 = key2('/data/hello')")),
        Row(
            "two rows are of the same path",
            VerifyRules.DuplicateName,
            "",
            "/sw/link",
            "CREATE TABLE copy AS SELECT * FROM catalog;\nDROP TABLE catalog;\nALTER TABLE copy RENAME TO catalog;\n" + $"INSERT INTO catalog SELECT * FROM catalog WHERE {Is("/sw/link")}",
            ("symlink", 1)),
        Row("a name is empty", VerifyRules.EntryName, "", null, Set("/sw/link", "name = '', md5path_1 = key1('/sw/'), md5path_2 = key2('/sw/')")),
        Row("a name has a slash", VerifyRules.EntryName, "", null, Set("/sw/link", "name = 'a/b', md5path_1 = key1('/sw/a/b'), md5path_2 = key2('/sw/a/b')")),
        Row("a name is two dots", VerifyRules.EntryName, "", null, Set("/sw/link", "name = '..', md5path_1 = key1('/sw/..'), md5path_2 = key2('/sw/..')")),
        Row("a name is NULL", VerifyRules.NullText, "", null, Set("/sw/link", "name = NULL")),
        Row("a name is a blob", VerifyRules.NullText, "", null, Set("/sw/link", "name = x'6c696e6b'")),
    ];

    private static RepositoryDamage[] Columns =>
    [
        Row("a file's symlink is NULL", VerifyRules.NullText, "/data", "/data/hello", Set("/data/hello", "symlink = NULL")),
        Row("a directory's symlink is NULL", VerifyRules.NullText, "/data", "/data/d", Set("/data/d", "symlink = NULL")),
        Row("a chunked file's hash is an empty blob", VerifyRules.EmptyBlob, "/data", "/data/big", Set("/data/big", "hash = x''")),
        Row("a directory's hash is an empty blob", VerifyRules.EmptyBlob, "/data", "/data/d", Set("/data/d", "hash = x''")),
        Row("attributes are an empty blob", VerifyRules.EmptyBlob, "/data", "/data/d", Set("/data/d", "xattr = x''")),
        Row("a fifo's flags are those of a file", VerifyRules.EntryType, "/data", "/data/pipe", Set("/data/pipe", "flags = 4")),
        Row("a symlink's flags are those of a file", VerifyRules.EntryType, "/data", "/data/link", Set("/data/link", "flags = 4")),
        Row("a file's flags lack the file bit", VerifyRules.EntryType, "/data", "/data/hello", Set("/data/hello", "flags = 0")),
        Row("a mode names no type of file", VerifyRules.EntryType, "/data", "/data/pipe", Set("/data/pipe", "mode = 420")),
        Row("a directory is external", VerifyRules.EntryFlags, "/data", "/data/d", Set("/data/d", "flags = 1 | 128")),
        Row("a symlink has direct I/O", VerifyRules.EntryFlags, "/data", "/data/link", Set("/data/link", "flags = 12 | 65536")),
        Row("a hash algorithm is unknown", VerifyRules.EntryFlags, "/data", "/data/hello", Set("/data/hello", "flags = 4 | 768")),
        Row("a compression is unknown", VerifyRules.EntryFlags, "/data", "/data/hello", Set("/data/hello", "flags = 4 | 4096")),
        Row("a plain directory is flagged as a nested root", VerifyRules.EntryFlags, "/data", "/data/d", Set("/data/d", "flags = 33")),
        Row("a file is flagged as a mount point", VerifyRules.EntryFlags, "/data", "/data/hello", Set("/data/hello", "flags = 4 | 2")),
        Row("a file without chunks has no hash", VerifyRules.EntryHash, "/data", "/data/hello", Set("/data/hello", "hash = NULL")),
        Row("an external file has no hash", VerifyRules.EntryHash, "/data", "/data/ext", Set("/data/ext", "hash = NULL")),
        Row("a hash has 19 bytes", VerifyRules.EntryHash, "/data", "/data/hello", Set("/data/hello", "hash = substr(hash, 1, 19)")),
        Row("a hash is all zero", VerifyRules.EntryHash, "/data", "/data/hello", Set("/data/hello", "hash = zeroblob(20)")),
        Row("a hash is text", VerifyRules.EntryHash, "/data", "/data/hello", Set("/data/hello", "hash = lower(hex(hash))")),
        Row("a symlink has a hash", VerifyRules.EntryHash, "/data", "/data/link", Set("/data/link", "hash = (SELECT hash FROM catalog WHERE name='hello')")),
        Row("a fifo has a hash", VerifyRules.EntryHash, "/data", "/data/pipe", Set("/data/pipe", "hash = (SELECT hash FROM catalog WHERE name='hello')")),
        Row("a directory has a hash", VerifyRules.EntryHash, "/data", "/data/d", Set("/data/d", "hash = (SELECT hash FROM catalog WHERE name='hello')")),
        Row("a symlink has no target", VerifyRules.SymlinkTarget, "/data", "/data/link", Set("/data/link", "symlink = '', size = 0")),
        Row("a file has a target", VerifyRules.SymlinkTarget, "/data", "/data/hello", Set("/data/hello", "symlink = 'd'")),
        Row("a fifo has a target", VerifyRules.SymlinkTarget, "/data", "/data/pipe", Set("/data/pipe", "symlink = 'd'")),
        Row("a size is negative", VerifyRules.EntrySize, "/data", "/data/hello", Set("/data/hello", "size = -5"), ("file_size", -10)),
        Row("a fifo has a size", VerifyRules.EntrySize, "/data", "/data/pipe", Set("/data/pipe", "size = 5")),
        Row("a row has a thousand million nanoseconds", VerifyRules.EntrySize, "/data", "/data/hello", Set("/data/hello", "mtimens = 1000000000")),
        Row("attributes are of an unknown version", VerifyRules.XattrFormat, "/data", "/data/hello", Set("/data/hello", "xattr = x'020109036162636465666768696a6b6c'")),
        Row("attributes are none", VerifyRules.XattrFormat, "/data", "/data/hello", Set("/data/hello", "xattr = x'0100'")),
        Row("attributes are followed by a byte", VerifyRules.XattrFormat, "/data", "/data/hello", Set("/data/hello", "xattr = xattr || x'00'")),
        Row("attributes are cut", VerifyRules.XattrFormat, "/data", "/data/hello", Set("/data/hello", "xattr = substr(xattr, 1, length(xattr) - 1)")),
    ];

    private static RepositoryDamage[] Links =>
    [
        Row("a file has no link", VerifyRules.LinkCount, "/data", "/data/hello", Set("/data/hello", "hardlinks = 0")),
        Row("a directory has one link too many", VerifyRules.LinkCount, "/data", "/data/d", Set("/data/d", "hardlinks = 3")),
        Row("the root directory forgets a mount point's link", VerifyRules.LinkCount, "", "/", Set("", "hardlinks = 3")),
        new("both rows of a transition point have a wrong link count", VerifyRules.LinkCount, r =>
        {
            r.EditCatalog("/data/deep", Set("/data/deep", "hardlinks = 2"));
            r.EditCatalog("/data", Set("/data/deep", "hardlinks = 2"));
            return new Culprit("/data/deep", r.CatalogHash("/data/deep"));
        }),
        Row("a directory is in a hard link group", VerifyRules.HardlinkGroup, "/data", "/data/d", Set("/data/d", $"hardlinks = ({Group + 1} << 32) | 2")),
        Row("a file has two links and no group", VerifyRules.HardlinkGroup, "/data", "/data/hello", Set("/data/hello", "hardlinks = 2")),
        Row("a member left its hard link group", VerifyRules.HardlinkGroup, "/data", null, Set("/data/h3", "hardlinks = 1")),
        Row("members of a hard link group are of different times", VerifyRules.HardlinkGroup, "/data", null, Set("/data/h2", "mtime = mtime + 1")),
        Row("members of a hard link group have different contents", VerifyRules.HardlinkGroup, "/data", null, Set("/data/h2", "hash = (SELECT hash FROM catalog WHERE name='hello')")),
        Row("members of a hard link group count differently", VerifyRules.HardlinkGroup, "/data", null, Set("/data/h1", $"hardlinks = ({Group} << 32) | 4")),
        Row("a member of a hard link group lies in another directory", VerifyRules.HardlinkGroup, "/data", null, Set(
            "/data/h3", "name = 'h3', md5path_1 = key1('/data/d/h3'), md5path_2 = key2('/data/d/h3'), parent_1 = key1('/data/d'), parent_2 = key2('/data/d')")),
    ];

    private static RepositoryDamage[] Chunks =>
    [
        Row("there is a gap between chunks", VerifyRules.ChunkLayout, "/data", "/data/big", SetChunk(7, "offset = 8, size = 992")),
        Row("chunks overlap", VerifyRules.ChunkLayout, "/data", "/data/big", SetChunk(0, "size = 8")),
        Row("chunks do not begin at 0", VerifyRules.ChunkLayout, "/data", "/data/big", SetChunk(0, "offset = 1, size = 6")),
        Row("chunks end before the file", VerifyRules.ChunkLayout, "/data", "/data/big", SetChunk(1000, "size = 1999")),
        Row("chunks end behind the file", VerifyRules.ChunkLayout, "/data", "/data/big", SetChunk(1000, "size = 2001")),
        Row("the last chunk is lost", VerifyRules.ChunkLayout, "/data", "/data/big", $"DELETE FROM chunks WHERE {Is("/data/big")} AND offset = 1000", ("chunks", -1)),
        Row("all chunks are lost", VerifyRules.ChunkLayout, "/data", "/data/big", $"DELETE FROM chunks WHERE {Is("/data/big")}", ("chunks", -3)),
        Row("a chunk is empty", VerifyRules.ChunkLayout, "/data", "/data/big", $"INSERT INTO chunks SELECT md5path_1, md5path_2, 3000, 0, hash FROM chunks WHERE {Is("/data/big")} AND offset = 0", ("chunks", 1)),
        Row("a chunk's hash has 19 bytes", VerifyRules.ChunkHash, "/data", "/data/big", SetChunk(7, "hash = substr(hash, 1, 19)")),
        Row("a chunk's hash is NULL", VerifyRules.ChunkHash, "/data", "/data/big", SetChunk(7, "hash = NULL")),
        Row("a chunk's hash is all zero", VerifyRules.ChunkHash, "/data", "/data/big", SetChunk(7, "hash = zeroblob(20)")),
        Row("a file that is not chunked has a chunk", VerifyRules.ChunkOwner, "/data", "/data/hello",
            $"INSERT INTO chunks SELECT key1('/data/hello'), key2('/data/hello'), 0, 5, hash FROM chunks WHERE {Is("/data/big")} AND offset = 0", ("chunks", 1)),
        Row("a chunk belongs to no row", VerifyRules.ChunkOwner, "/data", null,
            $"INSERT INTO chunks SELECT 1, 1, 0, 5, hash FROM chunks WHERE {Is("/data/big")} AND offset = 0", ("chunks", 1)),
    ];

    private static RepositoryDamage[] Markers =>
    [
        Row("a nested catalog has no marker", VerifyRules.MarkerMissing, "/data/deep", "/data/deep", $"DELETE FROM catalog WHERE {Is("/data/deep/.cvmfscatalog")}", ("regular", -1)),
        Row("the marker is a symlink", VerifyRules.MarkerMissing, "/data/deep", "/data/deep",
            Set("/data/deep/.cvmfscatalog", "mode = 41471, flags = 12, hash = NULL, symlink = 'bin', size = 3"), ("regular", -1), ("symlink", 1)),
        Row("a plain directory has a marker", VerifyRules.MarkerMisplaced, "/data", "/data/d/.cvmfscatalog",
            Set("/data/d/inside", "name = '.cvmfscatalog', md5path_1 = key1('/data/d/.cvmfscatalog'), md5path_2 = key2('/data/d/.cvmfscatalog')")),
    ];

    private static string Set(string path, string values) => $"UPDATE catalog SET {values} WHERE {Is(path)}";

    private static string SetChunk(int offset, string values) => $"UPDATE chunks SET {values} WHERE {Is("/data/big")} AND offset = {offset}";
}
