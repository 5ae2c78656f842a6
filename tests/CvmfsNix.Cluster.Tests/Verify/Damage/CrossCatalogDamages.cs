using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages between a catalog and those nested in it, and to the counters.</summary>
internal static class CrossCatalogDamages
{
    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        Row("a mount point is not registered", VerifyRules.NestedRegistration, "/data", "/data/deep", "DELETE FROM nested_catalogs", ("nested", -1)),
        Row("a registered directory is not flagged", VerifyRules.NestedRegistration, "/data", "/data/deep", $"UPDATE catalog SET flags = 1 WHERE {Is("/data/deep")}"),
        Row("a registered directory is not there", VerifyRules.NestedRegistration, "", "/sw/gone",
            "INSERT INTO nested_catalogs SELECT '/sw/gone', sha1, size FROM nested_catalogs", ("nested", 1)),
        Row("a registered hash is none", VerifyRules.NestedRegistration, "/data", "/data/deep", "UPDATE nested_catalogs SET sha1 = 'abc'"),
        Row("a registered hash is NULL", VerifyRules.NestedRegistration, "/data", "/data/deep", "UPDATE nested_catalogs SET sha1 = NULL"),
        Row("a registered size is negative", VerifyRules.NestedRegistration, "/data", "/data/deep", "UPDATE nested_catalogs SET size = -1"),
        Row("a registered bind mount point is not there", VerifyRules.BindRegistration, "/data", "/data/bound",
            "INSERT INTO bind_mountpoints SELECT '/data/bound', sha1, size FROM nested_catalogs"),
        Row("a bind mount point is not registered", VerifyRules.BindRegistration, "/data", "/data/d",
            $"UPDATE catalog SET flags = 16385 WHERE {Is("/data/d")};\nDELETE FROM catalog WHERE {Is("/data/d/inside")}", ("regular", -1), ("file_size", -6)),
        Row("a directory is both nested and bound", VerifyRules.BindRegistration, "/data", "/data/deep", "INSERT INTO bind_mountpoints SELECT * FROM nested_catalogs"),
        Row("a mount point has an entry in its parent catalog", VerifyRules.MountPointChildren, "", "/data",
            $"""
             INSERT INTO catalog SELECT key1('/data/extra'), key2('/data/extra'), key1('/data'), key2('/data'), hardlinks, hash, size, mode, mtime, mtimens, flags, 'extra', symlink, uid, gid, xattr
             FROM catalog WHERE {Is("/sw/readme")}
             """,
            ("regular", 1), ("file_size", 6)),

        Transition("size", "size = 4097"),
        Transition("permissions", "mode = mode & ~1"),
        Transition("time", "mtime = mtime + 1"),
        Transition("nanoseconds", "mtimens = mtimens + 1"),
        Transition("nanoseconds, NULL in the parent", "mtimens = NULL"),
        Transition("link count", "hardlinks = 4"),
        Row("the rows of a transition point differ in having attributes", VerifyRules.TransitionRow, "/data", "/data/deep",
            $"UPDATE catalog SET xattr = (SELECT xattr FROM catalog WHERE name='hello') WHERE {Is("/data/deep")}", ("xattr", 1)),

        .. Counters.All.SelectMany(counter => new[] { "", "/data", "/data/deep" }.Select(catalog => WrongCounter(counter, catalog))),
        .. Counters.All.Select(counter => Row($"no counter {counter}", VerifyRules.CountersMissing, "/data", "/data", $"DELETE FROM statistics WHERE counter='{counter}'")),
        Row("a counter is NULL", VerifyRules.CountersMissing, "/data", "/data", "UPDATE statistics SET value=NULL WHERE counter='self_regular'"),
        Row("a counter is a word", VerifyRules.CountersMissing, "/data", "/data", "UPDATE statistics SET value='many' WHERE counter='subtree_regular'"),
    ];

    private static RepositoryDamage Transition(string what, string set) => new($"the rows of a transition point differ: {what}", VerifyRules.TransitionRow, r =>
    {
        r.EditCatalog("/data", $"UPDATE catalog SET {set} WHERE {Is("/data/deep")}");
        return new Culprit("/data/deep");
    });

    private static RepositoryDamage WrongCounter(string counter, string catalog) => Row(
        $"wrong counter {counter} in {(catalog.Length == 0 ? "/" : catalog)}",
        counter.StartsWith("self_", StringComparison.Ordinal) ? VerifyRules.SelfCounters : VerifyRules.SubtreeCounters,
        catalog,
        catalog.Length == 0 ? "/" : catalog,
        $"UPDATE statistics SET value = value + 1 WHERE counter='{counter}'");
}
