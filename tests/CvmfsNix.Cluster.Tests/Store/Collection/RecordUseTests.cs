using CsCheck;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Collection;

/// <summary>Record files that are forgotten: an index made again without them is the same, and what tags have is known as before.</summary>
public sealed class RecordUseTests
{
    private const int Names = 5;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private enum Kind
    {
        Brings,
        Removes,
        Signs,
    }

    // Each revision: which of the names it is about, and what it does with them.
    private static Gen<(Kind Kind, int[] Names)[]> Histories => Gen.Select(Gen.Enum<Kind>(), Gen.Int[0, Names - 1].Array[1, 3]).Array[1, 20];

    [Fact]
    public async Task An_index_made_again_without_forgotten_revisions_is_the_same_at_every_revision_from_there_on_and_at_every_tag()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        await Gen.Select(Histories, Gen.Int[0, 25], Gen.Int[1, 25].Array[0, 3]).SampleAsync((history, bound, tags) => ComparedAsync(repository, history, bound, tags), iter: 30, threads: 1);
    }

    private static async Task ComparedAsync(TestRepository repository, (Kind Kind, int[] Names)[] history, int bound, int[] tags)
    {
        RepositoryStore store = repository.Store;
        store.Index.Clear();
        var records = new List<RevisionRecords> { FirstOf(repository) };
        await store.IndexAsync(records[0], CancellationToken.None);
        var states = new List<(string, ulong, string)[]> { Paths(store) };
        foreach ((Kind kind, int[] names) in history)
        {
            records.Add(await AddAsync(store, records[^1].Revision, kind, names.Distinct()));
            states.Add(Paths(store));
        }

        ulong upTo = Math.Min((ulong)bound, records[^1].Revision);
        ulong[] tagged = [.. tags.Select(t => Math.Min((ulong)t, records[^1].Revision))];
        IReadOnlyList<ulong> forgettable = await RecordUse.FindForgettableAsync(store, records, new RecordBounds(upTo, [], tagged), 1, CancellationToken.None);
        Assert.All(forgettable, r => Assert.InRange(r, 2UL, upTo));

        // Twice is as good as once.
        RevisionRecords[] left = [.. records.Where(r => !forgettable.Contains(r.Revision))];
        Assert.Empty(await RecordUse.FindForgettableAsync(store, left, new RecordBounds(upTo, [], tagged), 1, CancellationToken.None));

        store.Index.Clear();
        for (int i = 0; i < records.Count; i++)
        {
            RevisionRecords revision = records[i];
            await store.IndexAsync(forgettable.Contains(revision.Revision) ? RevisionRecords.Forgotten(revision.Revision, revision.Previous) : revision, CancellationToken.None);
            if (revision.Revision >= upTo)
                Assert.Equal(states[i], Paths(store));
            else if (tagged.Contains(revision.Revision))
                Assert.Empty(states[i].Except(Paths(store)));
        }
    }

    [Fact]
    public async Task Of_paths_that_came_and_went_nothing_is_needed_and_files_that_live_revisions_have_too_stay()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        RepositoryStore store = repository.Store;
        var records = new List<RevisionRecords> { FirstOf(repository) };
        for (int i = 0; i < 20; i++)
        {
            records.Add(await AddAsync(store, records[^1].Revision, Kind.Brings, [1]));
            records.Add(await AddAsync(store, records[^1].Revision, Kind.Removes, [1]));
        }

        records.Add(await AddAsync(store, records[^1].Revision, Kind.Brings, [1]));
        IReadOnlyList<ulong> forgettable = await RecordUse.FindForgettableAsync(store, records, new RecordBounds(41, [], []), 1, Ct);
        Assert.Equal(Enumerable.Range(2, 40).Select(i => (ulong)i), forgettable);
        // What can be had back keeps what it is had back from, and a tag what it has.
        Assert.DoesNotContain(41UL, await RecordUse.FindForgettableAsync(store, records, new RecordBounds(41, [41], []), 1, Ct));
        IReadOnlyList<ulong> tagged = await RecordUse.FindForgettableAsync(store, records, new RecordBounds(41, [], [20]), 1, Ct);
        Assert.Equal(forgettable.Except([20UL, 21UL]), tagged);

        // The same bytes lie behind the first and the last of them, so these are needed; and a file that was counted on stays as well.
        string live = records[^1].PathInfoDigest, gone = records[2].PathInfoDigest;
        Assert.Equal(live, records[1].PathInfoDigest);
        Assert.Equal((0, 0L), store.ForgetRecords([gone], DateTimeOffset.UtcNow.AddHours(-1)));
        (int files, long bytes) = store.ForgetRecords([gone], DateTimeOffset.UtcNow.AddHours(1));
        Assert.Equal((1, true), (files, bytes > 0));
        Assert.False(store.Blobs.Contains(gone));
        Assert.True(store.Blobs.Contains(live));

        // Whoever lacks one of them cannot say anything.
        await Assert.ThrowsAsync<IncompleteStoreException>(() => RecordUse.FindForgettableAsync(store, records, new RecordBounds(41, [], []), 1, Ct));
        Assert.Empty(await RecordUse.FindForgettableAsync(store, records, new RecordBounds(99, [], []), 1, Ct));
    }

    [Fact]
    public async Task A_record_file_that_is_written_again_while_it_is_to_be_deleted_counts_as_new()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        RepositoryStore store = repository.Store;
        RevisionRecords records = await AddAsync(store, 1, Kind.Brings, [1]);
        string file = Path.Combine(store.Layout.BlobsFolder(TestRepository.Name), records.PathInfoDigest[..2], records.PathInfoDigest);
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-3));
        DateTimeOffset cutoff = DateTimeOffset.UtcNow.AddDays(-1);
        Assert.Empty(await store.Blobs.ConfirmDurableAsync([records.PathInfoDigest]));
        Assert.Equal((0, 0L), store.ForgetRecords([records.PathInfoDigest], cutoff));
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-3));
        byte[] bytes = await File.ReadAllBytesAsync(file, Ct);
        await store.Blobs.PutAsync(s => s.WriteAsync(bytes, Ct).AsTask(), Ct);
        Assert.Equal((0, 0L), store.ForgetRecords([records.PathInfoDigest], cutoff));
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-3));
        Assert.Equal(1, store.ForgetRecords([records.PathInfoDigest], cutoff).Files);
    }

    [Fact]
    public async Task Old_events_leave_the_archive_and_the_newest_stay()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Ct);
        long last = repository.Sequence;
        for (int i = 0; i < 100; i++)
            await repository.Store.ArchiveAsync(++last, new byte[] { 7 }, Ct);
        Assert.Equal(0, await repository.Store.TrimArchiveAsync(DateTimeOffset.UtcNow.AddHours(-1), Ct));
        Assert.Equal(37, await repository.Store.TrimArchiveAsync(DateTimeOffset.UtcNow.AddHours(1), Ct));
        Assert.Equal(Enumerable.Range(38, 64).Select(i => (long)i), repository.Store.ReadAppliedEvents().Select(e => e.Sequence));
        await repository.RestartAsync(Ct);
        Assert.Equal(last, repository.Store.AppliedSequence);
        Assert.Equal(0, await repository.Store.TrimArchiveAsync(DateTimeOffset.UtcNow.AddHours(1), Ct));
    }

    private static RevisionRecords FirstOf(TestRepository repository)
    {
        CommittedRevision first = repository.Revisions[0];
        return new RevisionRecords(first.Head.Revision, 0, first.PathInfoDigest, first.DeltaDigest);
    }

    private static async Task<RevisionRecords> AddAsync(RepositoryStore store, ulong previous, Kind kind, IEnumerable<int> names)
    {
        HashSet<StorePathName> there = [.. store.Index.Paths.All().Select(p => p.Info.Path)];
        SyntheticPath[] paths = [.. names.Select(n => SyntheticPath.Of($"p{n}", SyntheticTree.File("x"))).Where(p => there.Contains(p.Path) == (kind != Kind.Brings)).OrderBy(p => p.Path)];
        string infos = await store.Blobs.PutAsync(
            stream =>
            {
                var file = new PathInfoFileWriter(stream);
                foreach (SyntheticPath path in paths)
                {
                    if (kind == Kind.Removes)
                        file.WriteRemoved(new PathRecord { Info = path.Upload.Info, InlineTree = path.Upload.Root });
                    else if (kind == Kind.Signs)
                        file.WriteSigned(path.Upload.Info with { Signatures = [$"key-{previous}:AAAA"] });
                    else
                        file.Write(path.Upload.Info);
                }

                file.Finish();
                return Task.CompletedTask;
            },
            CancellationToken.None);
        string delta = await store.Blobs.PutAsync(
            stream =>
            {
                new DeltaFileWriter(stream).Finish();
                return Task.CompletedTask;
            },
            CancellationToken.None);
        var records = new RevisionRecords(previous + 1, previous, infos, delta);
        await store.IndexAsync(records, CancellationToken.None);
        return records;
    }

    private static (string Path, ulong Revision, string Signatures)[] Paths(RepositoryStore store) =>
        [.. store.Index.Paths.All().Select(p => (p.Info.Path.Value, p.Revision, string.Join(' ', p.Info.Signatures)))];
}
