using System.Text;
using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages to tag database and reflog.</summary>
internal static class RecordDamages
{
    private const string Reflog = ".cvmfsreflog";

    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        TagFile("the tag database is no database", VerifyRules.TagDatabase, file => [.. Enumerable.Repeat((byte)'x', file.Length)]),
        TagFile("a page of the tag database is lost", VerifyRules.TagDatabase, file => [.. file[..1024], .. new byte[1024], .. file[2048..]]),
        TagFile("the tag database is in write-ahead format", VerifyRules.TagDatabase, file =>
        {
            byte[] changed = [.. file];
            changed[18] = 2;
            changed[19] = 2;
            return changed;
        }),
        Tags("the tag database is of a schema to come", VerifyRules.TagSchema, "UPDATE properties SET value='2.0' WHERE key='schema'"),
        Tags("the tag database is of another repository", VerifyRules.TagSchema, "UPDATE properties SET value='other.example.org' WHERE key='fqrn'"),
        Tags("the tag database has no recycle bin", VerifyRules.TagSchema, "DROP TABLE recycle_bin"),
        Tags("the tag database has no branches", VerifyRules.TagSchema, "DROP TABLE branches"),
        Tags("the tag database has no tags", VerifyRules.TagSchema, "DROP TABLE tags"),
        Tags("the tag table is empty", VerifyRules.TagBranch, "DELETE FROM tags"),
        Tags("the trunk has no row among the branches", VerifyRules.TagBranch, "DELETE FROM branches"),
        Tags("a branch has no tag", VerifyRules.TagBranch, "INSERT INTO branches VALUES ('side', '', 3)"),
        Tags("a tag is on a branch that is not there", VerifyRules.TagBranch, "UPDATE tags SET branch='side' WHERE name='v1'"),
        Tags("a branch has a bad name", VerifyRules.TagBranch, "INSERT INTO branches VALUES ('a b', '', 3);\nUPDATE tags SET branch='a b' WHERE name='v1'"),
        Tags("a tag is older than its branch", VerifyRules.TagBranch, "INSERT INTO branches VALUES ('side', '', 7);\nUPDATE tags SET branch='side' WHERE name='v1'"),
        Tags("a tag has a blank in its name", VerifyRules.TagEntry, "UPDATE tags SET name='v 1' WHERE name='v1'"),
        Tags("a tag's hash is none", VerifyRules.TagEntry, "UPDATE tags SET hash='v1' WHERE name='v1'"),
        Tags("a tag has another revision than its root catalog", VerifyRules.TagEntry, "UPDATE tags SET revision=5 WHERE name='v1'"),
        Tags("a tag has another time than its root catalog", VerifyRules.TagEntry, "UPDATE tags SET timestamp=timestamp+1 WHERE name='v1'"),
        Tags("a tag has a wrong size of its root catalog", VerifyRules.TagEntry, "UPDATE tags SET size=size+1 WHERE name='v1'"),
        Tags("the trunk is of an older revision", VerifyRules.TagTrunk,
            "UPDATE tags SET (hash, revision, timestamp, size) = (SELECT hash, revision, timestamp, size FROM tags WHERE name='v1') WHERE name='trunk'"),

        TopLevel("the reflog's digest is stale", VerifyRules.ReflogChecksum, Reflog, r => r.EditReflogAlone("UPDATE refs SET timestamp = timestamp + 1")),
        TopLevel("a byte of the reflog is flipped", VerifyRules.ReflogChecksum, Reflog, r => r.FlipByte(Reflog)),
        TopLevel("the reflog is not there", VerifyRules.ReflogChecksum, Reflog, r => r.Remove(Reflog)),
        TopLevel("the reflog is no database", VerifyRules.ReflogDatabase, Reflog, r => r.EditReflogFile(_ => Encoding.ASCII.GetBytes("not a reflog\n"))),
        TopLevel("the reflog is of a schema to come", VerifyRules.ReflogDatabase, Reflog, r => r.EditReflog("UPDATE properties SET value='2.0' WHERE key='schema'")),
        TopLevel("the reflog is of another repository", VerifyRules.ReflogDatabase, Reflog, r => r.EditReflog("UPDATE properties SET value='other.example.org' WHERE key='fqrn'")),
        .. new[] { ('C', 0), ('X', 1), ('H', 2), ('M', 3) }.SelectMany(entry => new[]
        {
            TopLevel($"the reflog lacks the manifest's {entry.Item1}", VerifyRules.ReflogEntry, Reflog, r => r.EditReflog($"DELETE FROM refs WHERE hash='{r.Manifest(entry.Item1)}'")),
            TopLevel($"the reflog takes the manifest's {entry.Item1} for something else", VerifyRules.ReflogEntry, Reflog, r =>
                r.EditReflog($"UPDATE refs SET type={(entry.Item2 + 1) % 4} WHERE hash='{r.Manifest(entry.Item1)}'")),
        }),
    ];

    private static RepositoryDamage TagFile(string name, string rule, Func<byte[], byte[]> edit) => OfTags(name, rule, r => r.EditTagsFile(edit));

    private static RepositoryDamage Tags(string name, string rule, string sql) => OfTags(name, rule, r => r.EditTags(sql));

    private static RepositoryDamage OfTags(string name, string rule, Action<DamageableRepository> edit) => new(name, rule, r =>
    {
        edit(r);
        return Culprit.OfObject(r.HistoryObject);
    });
}
