using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reflog;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Tests.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Tests.Cvmfs.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Tags;

public class TagDatabaseTests
{
    private static readonly RepositoryTag Trunk = new("trunk", CatalogWriterTests.SomeHash, 7, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), 4096, "current HEAD");

    [Fact]
    public void Tags_are_read_back_newest_first_and_the_same_tags_give_the_same_bytes()
    {
        using var folder = new TemporaryFolder();
        RepositoryTag[] tags = [Trunk, Trunk with { Name = "old", Revision = 3, Description = "ä'\"" }, Trunk with { Name = "v1/x:y", Revision = 9, Branch = "side" }];
        var bytes = TagDatabase.Write("demo.example.org", tags);
        Assert.Equal(bytes, TagDatabase.Write("demo.example.org", tags));
        Assert.Equal(tags.OrderByDescending(t => t.Revision), TagDatabase.Read(folder.Write("h", bytes)));
    }

    [Fact]
    public void Any_tags_are_read_back()
    {
        using var folder = new TemporaryFolder();
        var tags =
            from hash in ObjectHashTests.Hashes.Where(h => !h.IsNull)
            from revision in Gen.ULong[0, long.MaxValue]
            from seconds in Gen.Long[0, 253402300799]
            from size in Gen.Long[0, long.MaxValue]
            from description in Gen.String[Gen.Char[' ', '\u2fff'], 0, 30]
            from branch in Pick.From("", "side", "a/b@c")
            select new RepositoryTag("", hash, revision, DateTimeOffset.FromUnixTimeSeconds(seconds), size, description, branch);
        tags.Array[0, 20].Sample(drawn =>
        {
            RepositoryTag[] given = [Trunk, .. drawn.Select((tag, i) => tag with { Name = $"t{i}" })];
            var file = folder.Write(Guid.NewGuid().ToString("N"), TagDatabase.Write("demo.example.org", given));
            Assert.Equal(given.OrderByDescending(t => t.Revision).ThenBy(t => t.Name, StringComparer.Ordinal), TagDatabase.Read(file));
            File.Delete(file);
        }, iter: 50);
    }

    [Fact]
    public void Tags_that_break_a_rule_are_refused()
    {
        RepositoryTag[][] bad = [[], [Trunk with { Branch = "side" }], [Trunk, Trunk], [Trunk with { Name = "a b" }], [Trunk with { Name = "" }], [Trunk, Trunk with { Name = "x", Branch = "a b" }]];
        foreach (var tags in bad) Assert.Throws<ArgumentException>(() => TagDatabase.Write("demo.example.org", tags));
    }

    [Fact]
    public void The_golden_reflog_names_the_objects_of_the_manifest()
    {
        var entries = ReflogReader.Read(Path.Combine(Golden.Folder, ".cvmfsreflog"));
        var manifest = Golden.Manifest().Manifest;
        Assert.Equal(15, entries.Count);
        Assert.Contains(entries, e => e.Name == new ObjectName(manifest.RootHash, ObjectKind.Catalog));
        Assert.Contains(entries, e => e.Name == new ObjectName(manifest.Certificate, ObjectKind.Certificate));
        Assert.Contains(entries, e => e.Name == new ObjectName(manifest.History!.Value, ObjectKind.History));
    }

    [Fact]
    public void Damaged_databases_are_read_or_refused()
    {
        using var folder = new TemporaryFolder();
        var tags = Golden.Content(new ObjectName(Golden.Manifest().Manifest.History!.Value, ObjectKind.History));
        var reflog = Golden.Bytes(".cvmfsreflog");
        Gen.Select(Gen.Double[0, 0.999], Gen.Byte).Array[1, 20].Sample(damage =>
        {
            byte[] badTags = [.. tags], badReflog = [.. reflog];
            foreach (var (at, value) in damage)
            {
                badTags[(int)(at * tags.Length)] = value;
                badReflog[(int)(at * reflog.Length)] = value;
            }

            var name = Guid.NewGuid().ToString("N");
            foreach (var read in new Action[] { () => TagDatabase.Read(folder.Write(name, badTags)), () => ReflogReader.Read(folder.Write(name, badReflog)) })
            {
                try
                {
                    read();
                }
                catch (Exception e) when (e is TagDatabaseFormatException or ReflogFormatException)
                {
                    // The only exceptions there may be.
                }
            }
        }, iter: 200);
    }
}
