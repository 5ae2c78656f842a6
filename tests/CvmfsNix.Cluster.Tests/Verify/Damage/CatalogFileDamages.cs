using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages to a catalog as a file: size, format, schema, properties.</summary>
internal static class CatalogFileDamages
{
    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        Any("the manifest has a wrong size of the root catalog", VerifyRules.CatalogSize, r => r.SetManifest('B', "1234")),
        new("a parent has a wrong size of its nested catalog", VerifyRules.CatalogSize, r =>
        {
            r.EditCatalog("/data", "UPDATE nested_catalogs SET size = size - 1");
            return Culprit.OfObject(r.CatalogObject("/data/deep"), "/data/deep");
        }),

        File("a nested catalog is no database", VerifyRules.CatalogDatabase, "/data/deep", file => [.. Enumerable.Repeat((byte)'x', file.Length)]),
        File("the root catalog is no database", VerifyRules.CatalogDatabase, "", file => [.. Enumerable.Repeat((byte)'x', file.Length)]),
        File("a nested catalog is empty", VerifyRules.CatalogDatabase, "/data/deep", _ => []),
        File("a page of a nested catalog is lost", VerifyRules.CatalogDatabase, "/data", file => [.. file[..1024], .. new byte[1024], .. file[2048..]]),
        File("a nested catalog lacks its last page", VerifyRules.CatalogDatabase, "/data", file => file[..^1024]),
        Sql("a catalog has a view", VerifyRules.CatalogDatabase, "/data", "CREATE VIEW v AS SELECT 1"),
        Sql("a catalog has a trigger", VerifyRules.CatalogDatabase, "/data", "CREATE TRIGGER t AFTER INSERT ON catalog BEGIN DELETE FROM chunks; END"),
        File("a nested catalog is in write-ahead format", VerifyRules.CatalogJournalMode, "/data", ToWriteAhead),
        File("the root catalog is in write-ahead format", VerifyRules.CatalogJournalMode, "", ToWriteAhead),

        Sql("a catalog is of a schema to come", VerifyRules.CatalogSchema, "/data", "UPDATE properties SET value=2.6 WHERE key='schema'"),
        Sql("a catalog is of a schema revision to come", VerifyRules.CatalogSchema, "/data", "UPDATE properties SET value=8 WHERE key='schema_revision'"),
        Sql("a catalog does not say its schema", VerifyRules.CatalogSchema, "/data", "DELETE FROM properties WHERE key='schema'"),
        Sql("a catalog has no table of chunks", VerifyRules.CatalogSchema, "/data/deep", "DROP TABLE chunks"),
        Sql("a catalog has no table of bind mount points", VerifyRules.CatalogSchema, "/data/deep", "DROP TABLE bind_mountpoints"),
        Sql("a catalog has no table of counters", VerifyRules.CatalogSchema, "/data/deep", "DROP TABLE statistics"),
        Sql("a catalog has no column for nanoseconds, though its revision has", VerifyRules.CatalogSchema, "/data/deep", "ALTER TABLE catalog DROP COLUMN mtimens"),
        Sql("a catalog has no column for attributes", VerifyRules.CatalogSchema, "/data/deep", "ALTER TABLE catalog DROP COLUMN xattr"),
        Sql("the root catalog's revision is a word", VerifyRules.CatalogProperties, "", "UPDATE properties SET value='seven' WHERE key='revision'"),
        Sql("the root catalog has no revision", VerifyRules.CatalogProperties, "", "DELETE FROM properties WHERE key='revision'"),
        Sql("a nested catalog's time is a word", VerifyRules.CatalogProperties, "/data", "UPDATE properties SET value='noon' WHERE key='last_modified'"),
        Sql("a nested catalog's time needs more than 32 bits", VerifyRules.CatalogProperties, "/data", "UPDATE properties SET value=4102444800 WHERE key='last_modified'"),
        Sql("the root catalog's time to live is negative", VerifyRules.CatalogProperties, "", "UPDATE properties SET value=-1 WHERE key='TTL'"),
        Sql("the root catalog's previous revision is no hash", VerifyRules.CatalogProperties, "", "UPDATE properties SET value='none' WHERE key='previous_revision'"),

        Sql("a nested catalog is made for another directory", VerifyRules.RootPrefix, "/data/deep", "UPDATE properties SET value='/data/shallow' WHERE key='root_prefix'"),
        Sql("a nested catalog does not say its directory", VerifyRules.RootPrefix, "/data/deep", "DELETE FROM properties WHERE key='root_prefix'"),
        Sql("the root catalog has a directory", VerifyRules.RootPrefix, "", "INSERT INTO properties VALUES ('root_prefix', '/sw')"),

        new("the root catalog's previous revision is not there", VerifyRules.PreviousRevision, r =>
        {
            r.EditCatalog("", $"UPDATE properties SET value='{new string('b', 40)}' WHERE key='previous_revision'");
            return new Culprit(null);
        }),
        new("the tag database's previous revision is not there", VerifyRules.PreviousRevision, r =>
        {
            r.EditTags($"INSERT INTO properties VALUES ('previous_revision', '{new string('b', 40)}')");
            return new Culprit(null);
        }),
    ];

    private static RepositoryDamage File(string name, string rule, string catalog, Func<byte[], byte[]> edit) => new(name, rule, r =>
    {
        r.EditCatalogFile(catalog, edit);
        return Culprit.OfObject(r.CatalogObject(catalog), catalog.Length == 0 ? "/" : catalog);
    });

    private static RepositoryDamage Sql(string name, string rule, string catalog, string sql) => new(name, rule, r =>
    {
        r.EditCatalog(catalog, sql);
        return new Culprit(catalog.Length == 0 ? "/" : catalog, r.CatalogHash(catalog));
    });

    private static byte[] ToWriteAhead(byte[] file)
    {
        byte[] changed = [.. file];
        changed[18] = 2;
        changed[19] = 2;
        return changed;
    }
}
