using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

public sealed class ReplicaFillerTests
{
    private static readonly Uri Nobody = new("http://127.0.0.1:9");

    private static string FileOf(CvmfsNix.Cluster.Store.Repositories.RepositoryStore store, ObjectName name) => ((CvmfsNix.Cluster.Store.Objects.DirectoryObjectStore)store.Objects).PathOf(name);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static SyntheticPath[] ManyKinds(HashAlgorithmId algorithm = HashAlgorithmId.Sha1) =>
    [
        SyntheticPath.Of(
            "kinds",
            SyntheticTree.Directory(
                ("a-file", SyntheticTree.File("hello")),
                ("chunked", SyntheticTree.File(new string('c', 1000) + "end", chunkSize: 300)),
                ("empty", SyntheticTree.File("")),
                ("large", SyntheticTree.File(Text(600_000), compressed: false)),
                ("large-compressed", SyntheticTree.File(Text(700_001))),
                ("raw", SyntheticTree.File("stored as it is", compressed: false)),
                ("raw-chunks", SyntheticTree.File(Text(900), chunkSize: 100, compressed: false))),
            algorithm: algorithm),
        SyntheticPath.Package("nested", files: 40, algorithm: algorithm),
        SyntheticPath.Package("inline", files: 1, algorithm: algorithm),
        SyntheticPath.Of("link", SyntheticTree.Symlink("/nowhere"), algorithm: algorithm),
    ];

    [Theory]
    [InlineData(HashAlgorithmId.Sha1, true)]
    [InlineData(HashAlgorithmId.Sha1, false)]
    [InlineData(HashAlgorithmId.Shake128, true)]
    [InlineData(HashAlgorithmId.Shake128, false)]
    public async Task A_new_replica_ends_with_every_object_of_the_revision(HashAlgorithmId algorithm, bool hints)
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel, algorithm);
        await origin.PublishAsync(Cancel, ManyKinds(algorithm));
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        var told = new ConcurrentQueue<FillProgress>();

        FillResult result = await replica.FillAsync(origin.Revisions[^1], hints, new Told(told));

        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        Assert.Equal(Replica.ObjectsIn(origin.RepositoryFolder).Order(), Replica.ObjectsIn(replica.RepositoryFolder).Union(Obsolete(origin)).Order());
        Assert.All((string[])[origin.Revisions[^1].DeltaDigest, origin.Revisions[^1].PathInfoDigest], d => Assert.True(replica.Store.Blobs.Contains(d)));
        Assert.False(File.Exists(Path.Combine(replica.RepositoryFolder, ".cvmfspublished")));
        Assert.Empty(result.TagsSkipped);
        FillProgress last = told.Last();
        Assert.Equal((0L, 0L), (last.ObjectsMissing, last.BytesMissing));
        Assert.Equal((result.ObjectsFetched, result.CatalogsRead), (last.ObjectsDone, last.CatalogsDone));
    }

    [Fact]
    public async Task Every_revision_that_is_followed_is_complete()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        for (int i = 0; i < 6; i++)
        {
            await origin.PublishAsync(Cancel, SyntheticPath.Package($"n{i}", files: 12), SyntheticPath.Package($"i{i}", files: 2));
            await replica.FillAsync(origin.Revisions[^1], hints: i % 2 == 0);
            Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
            replica.Serve(origin.Revisions[^1]);
        }
    }

    [Fact]
    public async Task A_replica_that_skipped_revisions_has_what_the_tags_name_too()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await origin.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        for (int i = 0; i < 3; i++)
            await origin.PublishAsync(Cancel, SyntheticPath.Package($"b{i}"));

        await replica.FillAsync(origin.Revisions[^1]);

        Assert.True(replica.Has(new ObjectName(origin.Head.Previous!.RootHash, ObjectKind.Catalog)));
        Assert.True(replica.Has(new ObjectName(origin.Revisions[^2].Head.StoreCatalog, ObjectKind.Catalog)));
        Assert.False(replica.Has(new ObjectName(origin.Revisions[^3].Head.StoreCatalog, ObjectKind.Catalog)));
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task A_tagged_root_that_is_collected_everywhere_is_passed_over_and_told()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await origin.PublishAsync(Cancel, SyntheticPath.Package("b"));
        origin.Store.Objects.Delete(new ObjectName(origin.Head.Previous!.RootHash, ObjectKind.Catalog));
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });

        FillResult result = await replica.FillAsync(origin.Revisions[^1]);

        Assert.Equal(["trunk-previous"], result.TagsSkipped);
    }

    [Fact]
    public async Task What_is_missing_is_found_though_the_catalogs_that_name_it_are_here()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);

        // As an attempt leaves it that was killed between the catalogs and what they name.
        ObjectName[] lost = [.. ManyKinds().SelectMany(p => p.Objects.Keys).Where((_, i) => i % 3 == 0)];
        foreach (ObjectName name in lost)
            replica.Store.Objects.Delete(name);
        FillResult again = await replica.FillAsync(origin.Revisions[^1], hints: false);

        Assert.Equal(lost.Distinct().Count(), again.ObjectsFetched);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_came_for_a_revision_is_not_collected_before_it_is_served_however_long_the_rest_takes(bool fails)
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await origin.PublishAsync(Cancel, SyntheticPath.Package("served"));
        await replica.FillAsync(origin.Revisions[^1]);
        await replica.FlipAsync(origin.Revisions[^1]);
        await origin.PublishAsync(Cancel, ManyKinds());
        ObjectName[] first = [.. DeltaFile.ReadObjects(origin.Store.Blobs.OpenRead(origin.Revisions[^1].DeltaDigest)!, "delta").Select(o => o.Name).Where(n => !replica.Has(n)).Take(20)];
        foreach (ObjectName name in first)
            File.Copy(FileOf(origin.Store, name), FileOf(replica.Store, name));
        // The source says nothing more once it was asked.
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Fault = async (_, serve) =>
        {
            asked.TrySetResult();
            await goOn.Task;
            if (!fails)
                await serve();
        };
        TimeSpan hour = TimeSpan.FromHours(1);
        replica.Ahead = -10 * hour;
        Task filling = replica.FillAsync(origin.Revisions[^1]);
        await asked.Task;
        replica.Ahead = TimeSpan.Zero;
        if (fails)
        {
            goOn.SetResult();
            await Assert.ThrowsAsync<ReplicationException>(() => filling);
            server.Fault = null;
        }

        foreach (ObjectName name in first)
            File.SetLastWriteTimeUtc(FileOf(replica.Store, name), DateTime.UtcNow - (9 * hour));
        Assert.Equal(0, (await CollectAsync()).DeletedObjects);
        string sightings = Path.Combine(replica.Store.Layout.MetaFolder(TestRepository.Name), "collection", "seen", "plan");
        string[] lines = File.ReadAllLines(sightings);
        lines[2] = (DateTimeOffset.UtcNow - (3 * hour)).UtcTicks.ToString(System.Globalization.CultureInfo.InvariantCulture);
        File.WriteAllText(sightings, string.Concat(lines.Select(l => l + "\n")));
        Assert.Equal(0, (await CollectAsync()).DeletedObjects);
        Assert.All(first, n => Assert.True(replica.Has(n)));

        goOn.TrySetResult();
        await (fails ? replica.FillAsync(origin.Revisions[^1]) : filling);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        Assert.NotNull(replica.Store.FillingSince);
        await replica.FlipAsync(origin.Revisions[^1]);
        Assert.Null(replica.Store.FillingSince);

        Task<CollectionResult> CollectAsync() => new ObjectCollector(replica.Store, hour, share: 1, TimeProvider.System, twice: true).RunAsync(ct => MirrorCollection.RootsAsync(replica.Store, ct), Cancel);
    }

    [Fact]
    public async Task A_mirror_takes_for_needed_what_it_serves_and_its_tags()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await origin.PublishAsync(Cancel, SyntheticPath.Package("tagged"));
        ObjectHash tagged = origin.Head.RootHash;
        var tag = new RepositoryTag("v1", tagged, origin.Head.Revision, origin.Head.PublishedAt, origin.Head.RootSize, "");
        await origin.ApplyTagsAsync(await origin.Store.PrepareTagsAsync(origin.Head, [tag], origin.Keys, origin.Now, Cancel), Cancel);
        await origin.RemoveAsync(Cancel, SyntheticPath.NameOf("tagged"));
        await origin.PublishAsync(Cancel, SyntheticPath.Package("next"));
        await replica.FillAsync(origin.Revisions[^1]);
        await replica.FlipAsync(origin.Revisions[^1]);

        CollectionRoots roots = await MirrorCollection.RootsAsync(replica.Store, Cancel);

        Assert.Equal(new[] { origin.Head.RootHash, tagged }.Order(), roots.Walked.Order());
        Assert.Equal([origin.Head.Previous!.RootHash], roots.IfThere);
        Assert.Equal([origin.Head.History], roots.ByName);
    }

    [Fact]
    public async Task Of_what_the_served_revision_has_nothing_is_asked_for_or_opened_again()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, [.. Enumerable.Range(0, 50).Select(i => SyntheticPath.Package($"p{i}", files: 10))]);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("next", files: 10));
        server.Asked.Clear();

        FillResult result = await replica.FillAsync(origin.Revisions[^1], hints: false);

        // Root, store directory and the new path's own.
        Assert.Equal(3, result.CatalogsRead);
        HashSet<string> fresh = [.. DeltaFile.ReadObjects(origin.Store.Blobs.OpenRead(origin.Revisions[^1].DeltaDigest)!, "delta").Select(o => o.Name.ToString())];
        string[] asked = [.. server.Asked.Select(l => l.Split(' ')[0]).Where(n => n.Length < 64)];
        Assert.Equal(asked.Length, asked.Distinct().Count());
        Assert.Subset(fresh, asked.ToHashSet());
    }

    [Fact]
    public async Task With_hints_a_revision_takes_one_round_of_requests()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("b", files: 20));
        server.Requests = 0;

        await replica.FillAsync(origin.Revisions[^1]);

        Assert.Equal(1, server.Requests);
    }

    [Fact]
    public async Task A_hint_is_not_believed()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        var nowhere = new DeltaObject(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, "nobody has it"u8), ObjectKind.Data), 10);
        FillRequest request = replica.RequestOf(origin.Revisions[^1], hints: false) with
        {
            Hints = [nowhere],
            Catalogs = [new CatalogHint(RepositoryPath.Parse("/nix/store"), origin.Revisions[0].Head.StoreCatalog)],
        };

        await replica.Filler.FillAsync(request, null, Cancel);

        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task A_small_publish_beside_many_paths_moves_little()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel, nestedMinEntries: 100);
        for (int i = 0; i < 8; i++)
            await origin.PublishAsync(Cancel, [.. Enumerable.Range(0, 60).Select(j => SyntheticPath.Package($"many-{i}-{j}", files: 30))]);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        replica.Serve(origin.Revisions[^1]);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("one-more", files: 2));

        FillResult result = await replica.FillAsync(origin.Revisions[^1]);

        long whole = origin.Store.Objects.StoredSize(new ObjectName(origin.Head.StoreCatalog, ObjectKind.Catalog))!.Value;
        Assert.True(result.BytesFetched < whole / 2, $"{result.BytesFetched} bytes came, the catalog alone has {whole}");
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task What_no_source_has_is_said_and_what_came_stays()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        ObjectName lost = ManyKinds()[1].Objects.Keys.First();
        byte[] bytes = ManyKinds()[1].Objects[lost];
        origin.Store.Objects.Delete(lost);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });

        foreach (bool hints in (bool[])[true, false])
        {
            var refused = await Assert.ThrowsAsync<ReplicationException>(() => replica.FillAsync(origin.Revisions[^1], hints));
            Assert.Equal(ReplicationFailure.SourcesLack, refused.Failure);
            Assert.Contains(lost.ToString(), refused.Message, StringComparison.Ordinal);
        }

        await using (var batch = origin.Store.Objects.BeginBatch())
        {
            await batch.AddAsync(lost.Kind, bytes, Cancel);
            await batch.CompleteAsync(Cancel);
        }

        FillResult result = await replica.FillAsync(origin.Revisions[^1]);
        Assert.Equal(1, result.ObjectsFetched);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task What_one_source_lacks_or_a_dead_one_does_not_give_comes_from_the_next()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using TestRepository other = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var lacking = new PackServer(other.Store);
        await using var closed = new PackServer(null);
        await using var whole = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Siblings = [lacking.Url, Nobody], Core = [closed.Url, whole.Url] });

        FillResult result = await replica.FillAsync(origin.Revisions[^1]);

        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        Assert.True(result.BytesFromSiblings < result.BytesFetched);
        Assert.NotNull(replica.Sources.States.Single(s => s.Url == Nobody).LastProblem);
    }

    [Fact]
    public async Task When_nobody_answers_for_long_it_is_given_up()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [Nobody] }, Replica.Limits with { Patience = TimeSpan.FromMilliseconds(300) });
        var refused = await Assert.ThrowsAsync<ReplicationException>(() => replica.FillAsync(origin.Revisions[^1]));
        Assert.Equal(ReplicationFailure.SourcesUnreachable, refused.Failure);
        Assert.Contains("127.0.0.1:9", refused.Message, StringComparison.Ordinal);

        replica.Sources.Set = new SourceSet();
        refused = await Assert.ThrowsAsync<ReplicationException>(() => replica.FillAsync(origin.Revisions[^1]));
        Assert.Equal(ReplicationFailure.SourcesUnreachable, refused.Failure);
    }

    [Fact]
    public async Task Sources_may_be_told_while_it_waits_for_some()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [Nobody] }, Replica.Limits with { Patience = TimeSpan.FromMinutes(1) });
        Task<FillResult> filling = replica.FillAsync(origin.Revisions[^1]);
        replica.Sources.Set = new SourceSet { Core = [Nobody, server.Url] };
        await filling;
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task Cut_in_the_middle_again_and_again_it_asks_only_for_the_rest()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, [.. ManyKinds(), .. Enumerable.Range(0, 30).Select(i => SyntheticPath.Of($"r{i}", SyntheticTree.Directory(("f", SyntheticTree.File(Text(60_000 + i))))))]);
        await using var server = new PackServer(origin.Store);
        int cuts = 0;
        server.Wire = (answer, context) =>
        {
            long left = 700_000;
            return new AlteringStream(answer, async (bytes, cancel) =>
            {
                left -= bytes.Length;
                if (left < 0 && Interlocked.Increment(ref cuts) <= 4)
                {
                    await context.Response.Body.FlushAsync(cancel);
                    context.Abort();
                }

                return bytes;
            });
        };
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] }, Replica.Limits with { Streams = 1, RequestBytesMin = 16 << 20 });

        FillResult result = await replica.FillAsync(origin.Revisions[^1]);

        Assert.True(cuts >= 1);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        long stored = Directory.EnumerateFiles(Path.Combine(replica.RepositoryFolder, "data"), "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length);
        Assert.True(result.BytesFetched < stored * 2, $"{result.BytesFetched} bytes came for {stored}");
    }

    [Fact]
    public async Task Bytes_damaged_on_the_way_are_never_taken_and_come_again()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, [.. ManyKinds(), .. Enumerable.Range(0, 20).Select(i => SyntheticPath.Package($"p{i}", files: 20))]);
        var random = new Random(5);
        int damaged = 0;
        await using var server = new PackServer(origin.Store)
        {
            Wire = (answer, _) => new AlteringStream(answer, (bytes, _) =>
            {
                lock (random)
                {
                    if (bytes.Length > 1000 && damaged < 12 && random.Next(2) == 0)
                    {
                        damaged++;
                        bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                    }
                }

                return ValueTask.FromResult(bytes);
            }),
        };
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        var told = new System.Collections.Concurrent.ConcurrentQueue<SourceTrouble>();
        replica.Sources.Troubled = told.Enqueue;

        await replica.FillAsync(origin.Revisions[^1]);

        Assert.True(damaged > 3);
        Assert.NotEmpty(told);
        Assert.All(told, t => Assert.Equal((TestRepository.Name, server.Url), (t.Repository, t.Url)));
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        Assert.Equal(Replica.ObjectsIn(origin.RepositoryFolder).Order(), Replica.ObjectsIn(replica.RepositoryFolder).Union(Obsolete(origin)).Order());
    }

    [Fact]
    public async Task A_source_with_a_damaged_object_is_passed_over_for_it()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        ObjectName name = ManyKinds()[1].Objects.Keys.First();
        await using TestRepository damaged = await TestRepository.CreateAsync(Cancel);
        await damaged.PublishAsync(Cancel, ManyKinds());
        await File.WriteAllTextAsync(Path.Combine(damaged.RepositoryFolder, name.RelativePath), "rotten", Cancel);
        await using var rotten = new PackServer(damaged.Store);
        await using var good = new PackServer(origin.Store);

        await using (Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [rotten.Url, good.Url] }))
        {
            await replica.FillAsync(origin.Revisions[^1]);
            Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        }

        await using (Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [rotten.Url] }))
        {
            var refused = await Assert.ThrowsAsync<ReplicationException>(() => replica.FillAsync(origin.Revisions[^1], hints: false));
            Assert.Contains(name.ToString(), refused.Message, StringComparison.Ordinal);
            Assert.False(replica.Has(name));
            AssertNothingHalfDone(replica);
        }
    }

    [Fact]
    public async Task A_source_that_stops_sending_is_left_for_another()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        var release = new TaskCompletionSource();
        await using var before = new PackServer(origin.Store) { Fault = (_, _) => release.Task };
        await using var within = new PackServer(origin.Store)
        {
            Wire = (answer, context) => new AlteringStream(answer, async (bytes, cancel) =>
            {
                await answer.WriteAsync(bytes.AsMemory(0, bytes.Length / 2), cancel);
                await answer.FlushAsync(cancel);
                await release.Task;
                return [];
            }),
        };
        await using var good = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(
            origin, new SourceSet { Core = [before.Url, within.Url, good.Url] }, Replica.Limits with { StallTimeout = TimeSpan.FromMilliseconds(200) });

        await replica.FillAsync(origin.Revisions[^1]);

        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
        Assert.True(before.Requests > 0 && within.Requests > 0);
        release.SetResult();
    }

    [Fact]
    public async Task A_source_that_sends_what_was_not_asked_for_is_left_for_another()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var odd = new PackServer(origin.Store)
        {
            Fault = (context, serve) =>
            {
                context.Request.Body = new MemoryStream(System.Text.Encoding.ASCII.GetBytes(ManyKinds()[0].Objects.Keys.First() + "\n"));
                return serve();
            },
        };
        await using var good = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [odd.Url, good.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task Who_is_not_signed_for_gets_nothing_fetched()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var server = new PackServer(origin.Store);
        CommittedRevision newest = origin.Revisions[^1];
        RepositoryKeys strangers = RepositoryKeys.Create(TestRepository.Name, origin.Now);

        await using (Replica other = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] }, keys: [strangers.MasterPublicKeyPem]))
            await RefusedAsync(other, other.RequestOf(newest, true), ReplicationFailure.NotTrusted);

        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        FillRequest good = replica.RequestOf(newest, true);
        Manifest manifest = Manifest.ParseSigned(newest.SignedManifest).Manifest;
        await RefusedAsync(replica, good with { SignedManifest = manifest.Sign(strangers.SigningKey).Bytes }, ReplicationFailure.NotTrusted);
        await RefusedAsync(replica, good with { SignedManifest = (manifest with { RepositoryName = "other.example.org" }).Sign(origin.Keys.SigningKey).Bytes }, ReplicationFailure.NotTrusted);
        byte[] changed = newest.SignedManifest.ToArray();
        changed[1] ^= 1;
        await RefusedAsync(replica, good with { SignedManifest = changed }, ReplicationFailure.NotTrusted);
        await RefusedAsync(replica, good with { SignedManifest = new byte[] { 1, 2, 3 } }, ReplicationFailure.NotTrusted);
        var whitelist = new Whitelist { CreatedAt = origin.Now.AddDays(-40), ExpiresAt = origin.Now.AddDays(-10), RepositoryName = TestRepository.Name, Fingerprints = [origin.Keys.Certificate.Fingerprint()] };
        await RefusedAsync(replica, good with { Whitelist = whitelist.Sign(origin.Keys.MasterKey!) }, ReplicationFailure.Expired);
        whitelist = whitelist with { ExpiresAt = origin.Now.AddDays(10) };
        await RefusedAsync(replica, good with { Whitelist = whitelist.Sign(strangers.MasterKey!) }, ReplicationFailure.NotTrusted);
        await RefusedAsync(replica, good with { Whitelist = (whitelist with { Fingerprints = [strangers.Certificate.Fingerprint()] }).Sign(origin.Keys.MasterKey!) }, ReplicationFailure.NotTrusted);
        await RefusedAsync(replica, good with { Whitelist = (whitelist with { RepositoryName = "other.example.org" }).Sign(origin.Keys.MasterKey!) }, ReplicationFailure.NotTrusted);
        Assert.NotNull(replica.Filler.CheckWhitelist(origin.Whitelist));
        // The empty file every store has, and the certificate.
        Assert.True(Replica.ObjectsIn(replica.RepositoryFolder).Count <= 2);

        async Task RefusedAsync(Replica where, FillRequest request, ReplicationFailure failure) =>
            Assert.Equal(failure, (await Assert.ThrowsAsync<ReplicationException>(() => where.Filler.FillAsync(request, null, Cancel))).Failure);
    }

    [Fact]
    public async Task A_disk_without_reserve_is_said_and_left_as_it_was()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] }, Replica.Limits with { DiskReserveBytes = long.MaxValue });
        var refused = await Assert.ThrowsAsync<ReplicationException>(() => replica.FillAsync(origin.Revisions[^1]));
        Assert.Equal(ReplicationFailure.DiskFull, refused.Failure);
        AssertNothingHalfDone(replica);
        Assert.Single(Replica.ObjectsIn(replica.RepositoryFolder));
    }

    [Fact]
    public async Task A_catalog_damaged_at_rest_is_fetched_anew()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        await using var server = new PackServer(origin.Store);
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await replica.FillAsync(origin.Revisions[^1]);
        string file = Path.Combine(replica.RepositoryFolder, new ObjectName(origin.Head.StoreCatalog, ObjectKind.Catalog).RelativePath);
        byte[] bytes = await File.ReadAllBytesAsync(file, Cancel);
        bytes[bytes.Length / 2] ^= 4;
        await File.WriteAllBytesAsync(file, bytes, Cancel);

        await replica.FillAsync(origin.Revisions[^1], hints: false);
        Assert.Empty(await replica.FindingsAsync(origin.Revisions[^1]));
    }

    [Fact]
    public async Task Cancelling_ends_it_and_leaves_nothing_half_done()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, ManyKinds());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var release = new TaskCompletionSource();
        await using var server = new PackServer(origin.Store)
        {
            Fault = async (_, serve) =>
            {
                await stop.CancelAsync();
                await release.Task;
            },
        };
        await using Replica replica = await Replica.CreateAsync(origin, new SourceSet { Core = [server.Url] });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replica.Filler.FillAsync(replica.RequestOf(origin.Revisions[^1], true), null, stop.Token));
        AssertNothingHalfDone(replica);
        release.SetResult();
    }

    [Fact]
    public async Task Two_siblings_divide_what_comes_from_afar()
    {
        await using TestRepository origin = await TestRepository.CreateAsync(Cancel);
        await origin.PublishAsync(Cancel, SyntheticPath.Package("first"));
        await using var far = new PackServer(origin.Store);
        ReplicationLimits patient = Replica.Limits with { SiblingWait = TimeSpan.FromSeconds(9), StallTimeout = TimeSpan.FromSeconds(30) };
        await using Replica a = await Replica.CreateAsync(origin, new SourceSet { Core = [far.Url] }, patient);
        await using Replica b = await Replica.CreateAsync(origin, new SourceSet { Core = [far.Url] }, patient);
        await using var nearA = new PackServer(a.Store);
        await using var nearB = new PackServer(b.Store);
        foreach (Replica replica in (Replica[])[a, b])
        {
            await replica.FillAsync(origin.Revisions[^1]);
            replica.Serve(origin.Revisions[^1]);
        }

        a.Sources.Set = new SourceSet { Self = nearA.Url, Siblings = [nearB.Url], Core = [far.Url] };
        b.Sources.Set = new SourceSet { Self = nearB.Url, Siblings = [nearA.Url], Core = [far.Url] };
        await origin.PublishAsync(Cancel, [.. Enumerable.Range(0, 20).Select(i => SyntheticPath.Package($"p{i}", files: 20))]);
        far.Asked.Clear();

        FillResult[] results = await Task.WhenAll(a.FillAsync(origin.Revisions[^1]), b.FillAsync(origin.Revisions[^1]));

        Assert.Empty(await a.FindingsAsync(origin.Revisions[^1]));
        Assert.Empty(await b.FindingsAsync(origin.Revisions[^1]));
        string[] asked = [.. far.Asked.Select(l => l.Split(' ')[0])];
        Assert.All(results, r => Assert.True(r.BytesFromSiblings > 0));
        Assert.True(asked.Length < asked.Distinct().Count() * 1.2, $"{asked.Length} asked for, {asked.Distinct().Count()} different");
    }

    private static void AssertNothingHalfDone(Replica replica) =>
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(replica.RepositoryFolder, "data", "txn")));

    // Of revisions before the one that is the tag trunk-previous.
    private static IEnumerable<string> Obsolete(TestRepository origin) =>
        origin.Revisions.SkipLast(1).Select(r => new ObjectName(r.Head.History, ObjectKind.History).ToString())
            .Concat(origin.Revisions.SkipLast(2).SelectMany(r => new[] { new ObjectName(r.Head.RootHash, ObjectKind.Catalog).ToString(), new ObjectName(r.Head.StoreCatalog, ObjectKind.Catalog).ToString() }));

    private static string Text(int length)
    {
        var random = new Random(length);
        return string.Create(length, random, (span, r) =>
        {
            for (int i = 0; i < span.Length; i++)
                span[i] = (char)('!' + r.Next(90));
        });
    }

    private sealed class Told(ConcurrentQueue<FillProgress> all) : IProgress<FillProgress>
    {
        public void Report(FillProgress value) => all.Enqueue(value);
    }
}
