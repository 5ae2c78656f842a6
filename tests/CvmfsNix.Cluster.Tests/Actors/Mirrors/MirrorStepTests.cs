using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Repositories;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Mirrors;

public sealed class MirrorStepTests
{
    private static readonly DateTimeOffset At = DateTimeOffset.UnixEpoch;

    [Fact]
    public void Of_several_events_the_newest_manifest_and_whitelist_take_effect_and_all_records_are_indexed()
    {
        var step = MirrorStep.None.Then([Revision(4, 2), new MirroredEvent(5, At) { Whitelist = new byte[] { 5 } }, Revision(6, 3), new MirroredEvent(7, At), new MirroredEvent(8, At) { Collected = [Name(1)] }]);

        Assert.Equal((8, 6, 3UL), (step.Sequence, step.Visible, step.Manifest!.Revision));
        Assert.Equal([5], step.Whitelist.ToArray());
        Assert.Equal([2UL, 3UL], step.Records.Select(r => r.Revision));
        Assert.Contains(Name(2), step.Superseded);
        Assert.Equal([Name(1)], step.Collected);
    }

    [Fact]
    public void What_was_indexed_far_behind_keeps_what_it_would_serve()
    {
        var carried = MirrorStep.None.Then([Revision(1, 1), new MirroredEvent(2, At) { Whitelist = new byte[] { 2 } }]).Indexed();
        var step = carried.Then([new MirroredEvent(3, At)]);

        Assert.Equal((3, 2, 1UL), (step.Sequence, step.Visible, step.Manifest!.Revision));
        Assert.Equal([2], step.Whitelist.ToArray());
        Assert.Empty(step.Records);
        Assert.True(step.Manifest.Delta.IsEmpty);
    }

    [Fact]
    public void Marks_are_written_as_stock_monitors_read_them()
    {
        var files = new Dictionary<string, string>();
        var marks = new StockMarks((name, content) => { if (content is null) files.Remove(name); else files[name] = content; }, name => files.GetValueOrDefault(name));
        var time = new DateTimeOffset(2024, 1, 3, 12, 0, 5, TimeSpan.Zero);
        marks.Snapshotting(time);
        marks.Checked(time, clean: true);
        marks.Snapshotted(time);

        Assert.Equal("Wed Jan  3 12:00:05 UTC 2024\n", files[".cvmfs_last_snapshot"]);
        Assert.False(files.ContainsKey(".cvmfs_is_snapshotting"));
        Assert.Equal("""{"last_check":"Wed Jan  3 12:00:05 UTC 2024","check_status":"succeeded","last_snapshot":"Wed Jan  3 12:00:05 UTC 2024"}""" + "\n", files[".cvmfs_status.json"]);
    }

    private static MirroredEvent Revision(long sequence, ulong revision) => new(sequence, At)
    {
        Manifest = new MirroredManifest(revision, new byte[] { (byte)revision }, Name((int)revision).Hash)
        {
            Records = new RevisionRecords(revision, revision - 1, new string('a', 64), new string('b', 64)),
            Delta = new byte[] { 1 },
            Superseded = [Name((int)revision)],
        },
    };

    private static ObjectName Name(int n) => new(ObjectHasher.Hash(HashAlgorithmId.Sha1, [(byte)n]), ObjectKind.Catalog);
}
