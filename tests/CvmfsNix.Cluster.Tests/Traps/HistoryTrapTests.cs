using Xunit;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>Traps of tags, earlier revisions and the reflog, in what is written.</summary>
public sealed class HistoryTrapTests(TrapFixture repositories) : IClassFixture<TrapFixture>
{
    [Fact]
    public void Trap_13_every_tag_database_has_a_tag_on_the_trunk_and_no_branch_without_tags()
    {
        foreach (byte[] manifest in repositories.Sha1.Revisions.Select(r => r.SignedManifest.ToArray()))
        {
            var raw = new RawRepository(repositories.Sha1.RepositoryFolder, manifest);
            using RawDatabase tags = raw.Tags();
            Assert.Equal(raw.Manifest['C'], tags.Rows("SELECT hash FROM tags WHERE name='trunk' AND branch=''")[0][0]);
            Assert.Equal([["", null, 0L]], tags.Rows("SELECT branch, parent, initial_revision FROM branches"));
            Assert.Equal(1, tags.Number("SELECT count(DISTINCT branch) FROM tags"));
            Assert.Equal(["1.0", "3", TestKit.Store.TestRepository.Name], [tags.Property("schema"), tags.Property("schema_revision"), tags.Property("fqrn")]);
            Assert.Equal(0, tags.Number("SELECT count(*) FROM recycle_bin"));
        }
    }

    [Fact]
    public void Trap_14_nothing_points_at_a_previous_revision_that_could_go()
    {
        foreach (RawRepository raw in (RawRepository[])[repositories.Raw, repositories.RawShake])
        {
            int catalogs = 0;
            foreach (RawDatabase catalog in raw.Catalogs())
            {
                catalogs++;
                Assert.Null(catalog.Property("previous_revision"));
            }

            Assert.True(catalogs >= 4);
            using RawDatabase tags = raw.Tags();
            Assert.Null(tags.Property("previous_revision"));

            // Roots that tags name are walked by replicas all the same: they are still there.
            Assert.All(tags.Rows("SELECT hash FROM tags"), row => Assert.NotEmpty(raw.Stored((string)row[0]!, "C")));
        }
    }

    [Fact]
    public void Trap_17_there_is_no_reflog_that_a_manifest_could_fail_to_match()
    {
        Assert.All(repositories.Sha1.Revisions, r => Assert.False(new RawRepository(repositories.Sha1.RepositoryFolder, r.SignedManifest.ToArray()).Manifest.ContainsKey('Y')));
        Assert.False(repositories.Raw.Has(".cvmfsreflog"));
        Assert.True(repositories.Raw.Has(".cvmfspublished"));
    }
}
