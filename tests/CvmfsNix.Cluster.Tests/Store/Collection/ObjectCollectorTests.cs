using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Collection;

public sealed class ObjectCollectorTests
{
    private static readonly TimeSpan Long = CollectionModel.Grace * 2;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_nothing_needs_goes_after_its_grace_and_not_before()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath keeps = Path("keeps", "shared", "mine");
        SyntheticPath goes = Path("goes", "shared", "its own");
        await PublishAsync(model, keeps, goes);
        await model.RemoveAsync(goes.Path);
        ObjectName[] own = [.. goes.Objects.Keys.Except(keeps.Objects.Keys)];
        await PublishAsync(model, Path("later"));

        model.Pass(CollectionModel.Grace / 2);
        await model.KeepHouseAsync();
        Assert.Equal(0, (await model.CollectAsync()).DeletedObjects);
        Assert.All(own, o => Assert.True(model.Repository.Store.Objects.Contains(o)));
        Assert.Single(model.State.Removals);

        model.Pass(Long);
        await model.KeepHouseAsync();
        long before = model.Repository.Store.Usage.StoredBytes;
        CollectionResult result = await model.CollectAsync();
        Assert.True(result.DeletedObjects >= own.Length);
        Assert.All(own, o => Assert.False(model.Repository.Store.Objects.Contains(o)));
        Assert.True(model.Repository.Store.Usage.StoredBytes < before);
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task Nothing_is_called_present_that_was_deleted_and_it_can_be_sent_again()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes);
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        ContentDigest[] digests = [.. PathObjects.FilesOf(goes.Upload.Root).Select(f => f.Digest)];
        Assert.DoesNotContain(null, model.Repository.Store.Index.Content.Find(digests));

        model.Pass(Long);
        await model.KeepHouseAsync();
        await model.CollectAsync();

        Assert.All(model.Repository.Store.Index.Content.Find(digests), Assert.Null);
        await PublishAsync(model, goes);
        await AssertWholeAsync(model);
    }

    [Theory]
    [InlineData(StepNames.CollectMark)]
    [InlineData(StepNames.CollectPlanned)]
    public async Task What_a_builder_was_told_is_present_in_the_middle_of_a_collection_stays(string step)
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes);
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.KeepHouseAsync();
        model.Pass(Long);

        // The same content under another name: all of it is present.
        SyntheticPath again = Path("again", "content");
        await model.CollectAsync(at =>
        {
            if (at == step)
                model.SealAsync(again).GetAwaiter().GetResult();
        });
        Assert.Equal(MemberStatus.Committed, (await model.CommitAsync()).Outcomes[0].Status);
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task A_sealed_transaction_keeps_its_objects_however_long_it_waits()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, Path("first"));
        await model.SealAsync(Path("waits", "long"));
        model.Pass(Long * 10);
        await model.CollectAsync();
        Assert.Equal(MemberStatus.Committed, (await model.CommitAsync()).Outcomes[0].Status);
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task A_tagged_revision_keeps_what_was_removed_since_until_the_tag_goes()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes);
        await model.TagAsync("v1");
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        await PassAsync(model);
        Assert.All(goes.Objects.Keys, o => Assert.True(model.Repository.Store.Objects.Contains(o)));
        await AssertWholeAsync(model);

        await model.UntagAsync("v1");
        await PassAsync(model);
        Assert.All(goes.Objects.Keys.Except([new ObjectName(ObjectHash.Parse("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"), ObjectKind.Data)]), o => Assert.False(model.Repository.Store.Objects.Contains(o)));
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task A_store_that_lacks_what_it_serves_deletes_nothing()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath nested = SyntheticPath.Package("nested");
        await PublishAsync(model, nested, Path("goes", "content"));
        await model.RemoveAsync(SyntheticPath.NameOf("goes"));
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.KeepHouseAsync();
        model.Pass(Long);
        HashSet<ObjectName> needed = model.Needed();
        foreach (ObjectName damaged in (ObjectName[])[needed.First(n => n.Kind == ObjectKind.Catalog && n.Hash == model.Repository.Head.StoreCatalog), nested.Objects.Keys.First(), .. needed.Where(n => n.Kind == ObjectKind.Catalog).Take(3)])
        {
            string file = ((DirectoryObjectStore)model.Repository.Store.Objects).PathOf(damaged);
            byte[] bytes = File.ReadAllBytes(file);
            // Gone, then there with other bytes.
            File.Delete(file);
            await AssertNothingDeletedAsync(model);
            if (damaged.Kind == ObjectKind.Catalog)
            {
                File.WriteAllBytes(file, [.. bytes.Take(bytes.Length - 1), (byte)(bytes[^1] ^ 1)]);
                await AssertNothingDeletedAsync(model);
            }

            File.WriteAllBytes(file, bytes);
        }

        Assert.True((await model.CollectAsync()).DeletedObjects > 0);
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task A_store_that_is_not_told_of_removals_deletes_what_it_found_unneeded_twice_a_grace_apart()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content"), back = Path("back", "other content");
        await PublishAsync(model, goes, back);
        await model.RemoveAsync(goes.Path, back.Path);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);

        Assert.Equal(0, (await model.CollectTwiceAsync()).DeletedObjects);
        Assert.Equal(0, (await model.CollectTwiceAsync()).DeletedObjects);
        await PublishAsync(model, Path("again", "other content"));
        model.AgeSightings(Long);
        model.Pass(Long);
        Assert.True((await model.CollectTwiceAsync()).DeletedObjects > 0);
        Assert.All(goes.Objects.Keys, o => Assert.False(model.Repository.Store.Objects.Contains(o)));
        Assert.All(back.Objects.Keys, o => Assert.True(model.Repository.Store.Objects.Contains(o)));
        Assert.Empty(CatalogAudit.Run(model.Repository.RepositoryFolder).Findings);
    }

    [Fact]
    public async Task A_collection_that_takes_longer_than_superseded_catalogs_are_kept_ends_all_the_same()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes, SyntheticPath.Package("stays"));
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.KeepHouseAsync();
        model.Pass(Long);
        ObjectName began = new(model.Repository.Head.RootHash, ObjectKind.Catalog), tags = new(model.Repository.Head.History, ObjectKind.History);

        CollectionResult result = await model.CollectAsync(at =>
        {
            if (at == StepNames.CollectMark)
                SupersedeAsync().GetAwaiter().GetResult();
        });

        Assert.True(result.DeletedObjects >= goes.Objects.Count - 1);
        Assert.Empty(model.Repository.Store.Objects.FindMissing(model.Needed()));
        await AssertWholeAsync(model);

        async Task SupersedeAsync()
        {
            await PublishAsync(model, Path("one"));
            await PublishAsync(model, Path("two"));
            await PublishAsync(model, Path("three"));
            model.Pass(CollectionModel.Grace * 0.6);
            await model.KeepHouseAsync();
            Assert.Equal([began, tags], model.Repository.Store.Objects.FindMissing([began, tags]));
        }
    }

    [Fact]
    public async Task A_plan_from_before_the_clock_was_set_back_is_thrown_away()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes);
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.KeepHouseAsync();
        model.Pass(Long);
        var clock = new SetClock { Ahead = Long };

        // Days ahead, the collector takes what is counted on now for old.
        CollectionResult result = await model.CollectAsync(
            at =>
            {
                if (at != StepNames.CollectPlanned)
                    return;
                clock.Ahead = TimeSpan.Zero;
                model.SealAsync(Path("again", "content")).GetAwaiter().GetResult();
            },
            clock);

        Assert.Equal(0, result.DeletedObjects);
        Assert.Equal(MemberStatus.Committed, (await model.CommitAsync()).Outcomes[0].Status);
        await AssertWholeAsync(model);
    }

    [Fact]
    public async Task A_sighting_that_lies_in_the_future_holds_nothing_back()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        SyntheticPath goes = Path("goes", "content");
        await PublishAsync(model, goes);
        await model.RemoveAsync(goes.Path);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.CollectTwiceAsync();
        model.AgeSightings(-TimeSpan.FromDays(1000));
        await model.CollectTwiceAsync();
        model.AgeSightings(Long);
        Assert.True((await model.CollectTwiceAsync()).DeletedObjects > 0);
        Assert.All(goes.Objects.Keys, o => Assert.False(model.Repository.Store.Objects.Contains(o)));
    }

    [Fact]
    public async Task A_torn_plan_is_none()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        string folder = System.IO.Path.Combine(model.Repository.DataFolder, "plans"), file = System.IO.Path.Combine(folder, "plan");
        ObjectName[] names = [.. Enumerable.Range(0, 1000).Select(i => new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, BitConverter.GetBytes(i)), i % 2 == 0 ? ObjectKind.Data : ObjectKind.Catalog)).OrderBy(n => n.ToString(), StringComparer.Ordinal)];
        DateTimeOffset at = DateTimeOffset.UtcNow;
        using (var writer = new CollectionPlan.Writer(folder, at, at + Long))
        {
            foreach (ObjectName name in names)
                writer.Add(name);
            Assert.Null(CollectionPlan.TryRead(folder));
            writer.Complete();
        }

        CollectionPlan plan = CollectionPlan.TryRead(folder)!;
        Assert.Equal((at, at + Long, 1000L), (plan.Cutoff, plan.Begun, plan.Count));
        Assert.Equal(names, plan.Parts().SelectMany(p => p.Names).OrderBy(n => n.ToString(), StringComparer.Ordinal));
        Assert.All(plan.Parts(), p => Assert.All(p.Names, n => Assert.Equal(p.Part, DirectoryObjectStore.DirectoryOf(n))));
        Assert.Equal(plan.Parts().Select(p => p.Part).Distinct().Order(), plan.Parts().Select(p => p.Part));
        string text = File.ReadAllText(file);
        foreach (int length in (int[])[0, 10, text.IndexOf("end", StringComparison.Ordinal) - 41, text.IndexOf("end", StringComparison.Ordinal), text.Length - 2])
        {
            File.WriteAllText(file, text[..length]);
            Assert.Null(CollectionPlan.TryRead(folder));
        }

        File.WriteAllText(file, text + "end 1000\n");
        Assert.Null(CollectionPlan.TryRead(folder));
    }

    [Fact]
    public async Task A_lost_record_of_removed_paths_stops_it()
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, Path("goes", "content"));
        await model.RemoveAsync(SyntheticPath.NameOf("goes"));
        model.Pass(Long);
        model.Repository.Store.Blobs.Delete(model.State.Removals[0].Digest);
        await AssertNothingDeletedAsync(model);
    }

    [Theory]
    [InlineData(StepNames.CollectMark)]
    [InlineData(StepNames.CollectPlanned)]
    [InlineData(StepNames.CollectDeleted)]
    public async Task A_killed_collection_is_ended_by_the_next(string step)
    {
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, [.. Enumerable.Range(0, 6).Select(i => Path($"goes{i}", $"content {i}", $"more {i}"))]);
        await model.RemoveAsync([.. model.Paths]);
        await PublishAsync(model, Path("later"));
        model.Pass(Long);
        await model.KeepHouseAsync();
        model.Pass(Long);

        await Assert.ThrowsAsync<InvalidOperationException>(() => model.CollectAsync(at =>
        {
            if (at == step)
                throw new InvalidOperationException("killed");
        }));
        await AssertNeededAsync(model);
        await model.RestartAsync();
        SyntheticPath again = Path("again", "content 1", "content 4");
        await model.SealAsync(again);
        await model.CollectAsync();
        await model.CommitAsync();
        model.Pass(Long);
        await model.CollectAsync();
        await AssertWholeAsync(model);
        Assert.Empty(Directory.EnumerateFiles(System.IO.Path.Combine(model.Repository.Store.Layout.MetaFolder(TestRepository.Name), "collection")));
    }

    [Fact]
    public async Task Whatever_happens_in_whatever_order_what_is_needed_is_there_and_the_rest_goes()
    {
        int seeds = Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1" ? 200 : 8;
        for (int seed = 1; seed <= seeds; seed++)
            await RunAsync(seed, steps: 40);
    }

    private static async Task RunAsync(int seed, int steps)
    {
        var random = new Random(seed);
        await using CollectionModel model = await CollectionModel.CreateAsync();
        await PublishAsync(model, Path("start"));
        for (int step = 0; step < steps; step++)
        {
            string what = "";
            try
            {
                switch (random.Next(12))
                {
                    case 0 or 1 or 2:
                        what = "publish";
                        await model.SealAsync(Any());
                        if (random.Next(3) > 0)
                            await model.CommitAsync();
                        break;
                    case 3 or 4:
                        what = "remove";
                        await model.RemoveAsync([.. model.Paths.Where(_ => random.Next(3) == 0)]);
                        break;
                    case 5:
                        what = "tag";
                        await model.TagAsync($"t{random.Next(3)}");
                        break;
                    case 6:
                        what = "untag";
                        await model.UntagAsync($"t{random.Next(3)}");
                        break;
                    case 7:
                        what = "upload and forget";
                        await using (ObjectBatch batch = model.Repository.Store.Objects.BeginBatch())
                        {
                            await batch.AddAsync(ObjectKind.Data, BitConverter.GetBytes(random.Next()), Cancel);
                            await batch.CompleteAsync(Cancel);
                        }

                        break;
                    case 8:
                        what = "pass";
                        model.Pass(TimeSpan.FromMinutes(random.Next(10, 100)));
                        await model.KeepHouseAsync();
                        break;
                    case 9:
                        what = "restart";
                        await model.RestartAsync();
                        break;
                    default:
                        what = "collect";
                        await CollectAsync(model, random, Any);
                        break;
                }

                await AssertNeededAsync(model);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new InvalidOperationException($"seed {seed}, step {step} ({what}): {e.Message}", e);
            }
        }

        if (model.Waiting > 0)
            await model.CommitAsync();
        await PublishAsync(model, Path("end"));
        await PublishAsync(model, Path("end2"));
        await PassAsync(model);
        await AssertWholeAsync(model);

        SyntheticPath Any()
        {
            StorePathName[] known = [.. model.Paths.Where(_ => random.Next(4) == 0).Take(2)];
            string[] contents = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"content {random.Next(12)}")];
            return random.Next(3) == 0
                ? SyntheticPath.Package($"package{random.Next(6)}", files: 9)
                : SyntheticPath.Of($"path{random.Next(1000)}", Tree(contents), known);
        }
    }

    private static async Task CollectAsync(CollectionModel model, Random random, Func<SyntheticPath> any)
    {
        int act = random.Next(5);
        try
        {
            await model.CollectAsync(at =>
            {
                if (act == 0 && random.Next(3) == 0)
                    throw new OperationCanceledException("killed");
                if (act == 1 && random.Next(3) == 0)
                    model.SealAsync(any()).GetAwaiter().GetResult();
                if (act == 2 && at == StepNames.CollectPlanned)
                    PublishAsync(model, any()).GetAwaiter().GetResult();
                if (act == 3 && at == StepNames.CollectMark)
                    SupersedeAsync(model, any).GetAwaiter().GetResult();
            });
        }
        catch (OperationCanceledException)
        {
            if (random.Next(2) == 0)
                await model.RestartAsync();
        }
    }

    // A run may take so long that catalogs which were needed at its beginning are superseded and deleted before its end.
    private static async Task SupersedeAsync(CollectionModel model, Func<SyntheticPath> any)
    {
        for (int i = 0; i < 3; i++)
            await PublishAsync(model, any());
        model.Pass(CollectionModel.Grace * 0.6);
        await model.KeepHouseAsync();
    }

    // Twice: what was superseded by the first is due at the second.
    private static async Task PassAsync(CollectionModel model)
    {
        for (int i = 0; i < 2; i++)
        {
            model.Pass(Long);
            await model.KeepHouseAsync();
            model.Pass(Long);
            await model.CollectAsync();
        }
    }

    private static async Task AssertNothingDeletedAsync(CollectionModel model)
    {
        ObjectName[] before = [.. model.Present()];
        await Assert.ThrowsAsync<DamagedViewException>(() => model.CollectAsync());
        Assert.Equal(before.OrderBy(n => n.ToString()), model.Present().OrderBy(n => n.ToString()));
    }

    private static Task AssertNeededAsync(CollectionModel model)
    {
        Assert.Empty(model.Repository.Store.Objects.FindMissing(model.Needed()));
        return Task.CompletedTask;
    }

    private static async Task AssertWholeAsync(CollectionModel model)
    {
        await AssertNeededAsync(model);
        model.Pass(Long);
        await model.CollectAsync();
        HashSet<ObjectName> kept = [.. model.Needed()];
        IReadOnlySet<ObjectHash> byName = model.State.KeptByName();
        Assert.DoesNotContain(model.Present(), o => !kept.Contains(o) && !byName.Contains(o.Hash));
        Assert.Empty(CatalogAudit.Run(model.Repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(model.Repository, Cancel);
    }

    private static async Task PublishAsync(CollectionModel model, params SyntheticPath[] paths)
    {
        await model.SealAsync(paths);
        await model.CommitAsync();
    }

    private static SyntheticPath Path(string name, params string[] contents) => SyntheticPath.Of(name, Tree(contents));

    private static SyntheticTree Tree(string[] contents) =>
        SyntheticTree.Directory(contents.Select((c, i) => (Name: $"f{i}", Content: c)).ToDictionary(f => f.Name, f => SyntheticTree.File(f.Content, chunkSize: f.Content.EndsWith('7') ? 4 : 0)));

    private sealed class SetClock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }
}
