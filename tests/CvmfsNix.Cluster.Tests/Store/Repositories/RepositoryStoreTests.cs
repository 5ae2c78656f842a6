using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Repositories;

public sealed class RepositoryStoreTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static SyntheticTree ManyKinds => SyntheticTree.Directory(
        ("a-file", SyntheticTree.File("hello")),
        ("chunked", SyntheticTree.File(new string('c', 1000) + "end", chunkSize: 300)),
        ("deep", SyntheticTree.Directory(("er", SyntheticTree.Directory(("empty-directory", SyntheticTree.Directory()), ("x", SyntheticTree.File("x", executable: true)))))),
        ("empty", SyntheticTree.File("")),
        ("link", SyntheticTree.Symlink("deep/er")),
        ("raw", SyntheticTree.File("stored as it is", compressed: false)));

    [Theory]
    [InlineData(HashAlgorithmId.Sha1, "/nix/store")]
    [InlineData(HashAlgorithmId.Shake128, "/nix/store")]
    [InlineData(HashAlgorithmId.Sha1, "/cvmfs/test.example.org/store")]
    public async Task A_repository_passes_the_audit_at_every_revision(HashAlgorithmId algorithm, string storeDirectory)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, algorithm, storeDirectory);
        await AssertGoodAsync(repository);

        await repository.PublishAsync(Cancel, SyntheticPath.Of("kinds", ManyKinds, algorithm: algorithm), SyntheticPath.Of("file", SyntheticTree.File("just a file"), algorithm: algorithm));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("nested", files: 40, algorithm: algorithm), SyntheticPath.Of("link", SyntheticTree.Symlink("/nowhere"), algorithm: algorithm));
        CommitMember profile = await repository.SealAsync([], Cancel, profile: "default", profileTarget: SyntheticPath.NameOf("kinds"));
        await repository.CommitAsync((await repository.PrepareAsync(Cancel, profile)).Revision!, Cancel);

        CatalogAudit audit = CatalogAudit.Run(repository.RepositoryFolder);
        AssertGood(audit);
        Assert.Equal(4, audit.Catalogs);
        Assert.Equal(4u, repository.Head.Revision);
        Assert.Equal(4, repository.Head.Paths);
    }

    [Fact]
    public async Task A_client_reads_back_exactly_what_was_published()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath kinds = SyntheticPath.Of("kinds", ManyKinds);
        await repository.PublishAsync(Cancel, kinds, SyntheticPath.Package("other", files: 3));

        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Equal(2u, reader.Revision);
        RepositoryPath root = repository.Format.StoreRoot.Combine(kinds.Path.Value);
        var listed = new List<string>();
        await foreach (CatalogEntry entry in reader.WalkAsync(root, cancellationToken: Cancel))
            listed.Add($"{entry.Path.ToString()[root.ToString().Length..]} {Convert.ToString(entry.Mode, 8)} {entry.Size} {entry.ModifiedAt} {entry.LinkCount}");
        Assert.Equal(
            [
                " 40555 4096 1 3",
                "/a-file 100444 5 1 1",
                "/chunked 100444 1003 1 1",
                "/deep 40555 4096 1 3",
                "/deep/er 40555 4096 1 3",
                "/deep/er/empty-directory 40555 4096 1 2",
                "/deep/er/x 100555 1 1 1",
                "/empty 100444 0 1 1",
                "/link 120777 7 1 1",
                "/raw 100444 15 1 1",
            ],
            listed);
        Assert.Equal("hello", await ReadAsync(reader, root.Combine("a-file")));
        Assert.Equal(new string('c', 1000) + "end", await ReadAsync(reader, root.Combine("chunked")));
        Assert.Equal("", await ReadAsync(reader, root.Combine("empty")));
        Assert.Equal("stored as it is", await ReadAsync(reader, root.Combine("raw")));
    }

    [Fact]
    public async Task The_tag_database_names_trunk_and_the_revision_before()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));

        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        var tags = (await reader.TagsAsync(Cancel)).ToDictionary(t => t.Name);
        Assert.Equal(["trunk", "trunk-previous"], tags.Keys.Order());
        Assert.Equal((3ul, repository.Revisions[2].Head.RootHash), (tags["trunk"].Revision, tags["trunk"].RootHash));
        Assert.Equal((2ul, repository.Revisions[1].Head.RootHash), (tags["trunk-previous"].Revision, tags["trunk-previous"].RootHash));
    }

    [Fact]
    public async Task Losing_the_append_leaves_no_trace_in_the_next_revision()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using TestRepository undisturbed = await TestRepository.CreateAsync(Cancel);
        undisturbed.Now = repository.Now;
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await undisturbed.PublishAsync(Cancel, SyntheticPath.Package("a"));

        PreparedCommit lost = await repository.PrepareAsync(Cancel, await repository.SealAsync([SyntheticPath.Package("lost")], Cancel));
        await repository.Store.DiscardAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        await undisturbed.PublishAsync(Cancel, SyntheticPath.Package("b"));

        Assert.Equal(3u, lost.Revision!.Head.Revision);
        await AssertGoodAsync(repository);
        Assert.Null(repository.Store.Index.Paths.Find(SyntheticPath.NameOf("lost")));
        Assert.Equal(undisturbed.Head.RootHash, repository.Head.RootHash);
    }

    [Fact]
    public async Task A_prepared_revision_that_was_never_decided_is_forgotten_when_the_head_stays()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PrepareAsync(Cancel, await repository.SealAsync([SyntheticPath.Package("lost")], Cancel));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("kept"));

        await AssertGoodAsync(repository);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Null(await reader.FindAsync(repository.Format.StoreRoot.Combine(SyntheticPath.NameOf("lost").Value), Cancel));
        Assert.NotNull(await reader.FindAsync(repository.Format.StoreRoot.Combine(SyntheticPath.NameOf("kept").Value), Cancel));
    }

    [Fact]
    public async Task Caches_may_be_deleted_and_the_next_root_hash_is_the_same()
    {
        await using TestRepository kept = await TestRepository.CreateAsync(Cancel);
        await using TestRepository wiped = await TestRepository.CreateAsync(Cancel);
        wiped.Now = kept.Now;
        foreach (TestRepository repository in (TestRepository[])[kept, wiped])
        {
            for (int i = 0; i < 5; i++)
                await repository.PublishAsync(Cancel, [.. Enumerable.Range(0, 30).Select(j => SyntheticPath.Package($"p{i}-{j}", files: j % 12))]);
        }

        string meta = wiped.Store.Layout.MetaFolder(TestRepository.Name);
        await wiped.RestartAsync(Cancel, () =>
        {
            Directory.Delete(Path.Combine(meta, "work"), recursive: true);
            File.Delete(Path.Combine(meta, "index.db"));
        });
        Assert.Equal(0u, wiped.Store.IndexedRevision);
        foreach (CommittedRevision revision in wiped.Revisions)
            await wiped.Store.ReindexAsync(revision, Cancel);
        Assert.Equal(kept.Store.Usage, wiped.Store.Usage);

        await kept.PublishAsync(Cancel, SyntheticPath.Package("next", files: 20), SyntheticPath.Package("small", files: 1));
        await wiped.PublishAsync(Cancel, SyntheticPath.Package("next", files: 20), SyntheticPath.Package("small", files: 1));
        Assert.Equal(kept.Head.RootHash, wiped.Head.RootHash);
        Assert.Equal(kept.Head.StoreCatalog, wiped.Head.StoreCatalog);
        await AssertGoodAsync(wiped);
    }

    [Fact]
    public async Task A_lost_data_folder_comes_back_from_objects_record_files_and_events()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        byte[] served = await File.ReadAllBytesAsync(Path.Combine(repository.RepositoryFolder, ".cvmfspublished"), Cancel);

        await repository.RestartAsync(Cancel, () =>
        {
            string meta = Path.Combine(repository.DataFolder, "meta", TestRepository.Name);
            foreach (string folder in (string[])["work", "staging", "applied"])
                Directory.Delete(Path.Combine(meta, folder), recursive: true);
            File.Delete(Path.Combine(meta, "index.db"));
            foreach (string named in Directory.EnumerateFiles(repository.RepositoryFolder))
                File.Delete(named);
        });
        Assert.Equal(0, repository.Store.AppliedSequence);
        await repository.Store.ApplyCreatedAsync(1, new byte[] { 1 }, repository.Whitelist, repository.Revisions[0], Cancel);
        await repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, repository.Revisions[1], Cancel);
        await repository.Store.ApplyRevisionAsync(3, new byte[] { 3 }, repository.Revisions[2], Cancel);

        Assert.Equal(served, await File.ReadAllBytesAsync(Path.Combine(repository.RepositoryFolder, ".cvmfspublished"), Cancel));
        await AssertGoodAsync(repository);
        Assert.Equal(3u, repository.Store.IndexedRevision);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        Assert.Equal(3u, reader.Revision);
    }

    [Fact]
    public async Task Applying_twice_is_applying_once_and_an_old_event_does_not_come_back()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        var usage = repository.Store.Usage;
        string manifest = Path.Combine(repository.RepositoryFolder, ".cvmfspublished");
        byte[] served = await File.ReadAllBytesAsync(manifest, Cancel);

        await repository.Store.ApplyRevisionAsync(3, new byte[] { 3 }, repository.Revisions[2], Cancel);
        await repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, repository.Revisions[1], Cancel);
        await repository.Store.ApplyCreatedAsync(1, new byte[] { 1 }, repository.Whitelist, repository.Revisions[0], Cancel);

        Assert.Equal(served, await File.ReadAllBytesAsync(manifest, Cancel));
        Assert.Equal(3, repository.Store.AppliedSequence);
        Assert.Equal(usage, repository.Store.Usage);
        Assert.Equal([1L, 2L, 3L], repository.Store.ReadAppliedEvents().Select(e => e.Sequence));

        // Even when the archive is lost, clients never see an older revision come back.
        await repository.RestartAsync(Cancel, () => Directory.Delete(Path.Combine(repository.DataFolder, "meta", TestRepository.Name, "applied"), recursive: true));
        await repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, repository.Revisions[1], Cancel);
        Assert.Equal(served, await File.ReadAllBytesAsync(manifest, Cancel));
    }

    [Fact]
    public async Task Events_and_the_applied_sequence_survive_a_restart()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.Store.ApplyWhitelistAsync(7, new byte[] { 70, 71 }, repository.Whitelist, Cancel);
        await repository.RestartAsync(Cancel);

        Assert.Equal(7, repository.Store.AppliedSequence);
        AppliedEventRecord[] events = [.. repository.Store.ReadAppliedEvents()];
        Assert.Equal([1L, 2L, 7L], events.Select(e => e.Sequence));
        Assert.Equal(new byte[] { 70, 71 }, events[2].Event.ToArray());
    }

    [Fact]
    public async Task An_event_that_was_archived_but_did_not_take_effect_is_applied_again_after_a_kill()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        string manifest = Path.Combine(repository.RepositoryFolder, ".cvmfspublished");
        byte[] before = await File.ReadAllBytesAsync(manifest, Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        byte[] after = await File.ReadAllBytesAsync(manifest, Cancel);

        // As a kill between the archive and the rename leaves it.
        await repository.RestartAsync(Cancel, () => File.WriteAllBytes(manifest, before));
        Assert.Equal(1, repository.Store.AppliedSequence);
        await repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, repository.Revisions[1], Cancel);
        Assert.Equal(after, await File.ReadAllBytesAsync(manifest, Cancel));
        Assert.Equal(2, repository.Store.AppliedSequence);
    }

    [Fact]
    public async Task Nothing_flips_while_an_object_of_the_revision_is_missing()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("a");
        PreparedCommit prepared = await repository.PrepareAsync(Cancel, await repository.SealAsync([path], Cancel));
        ObjectName lost = path.Objects.Keys.First();
        byte[] stored = path.Objects[lost];
        repository.Store.Objects.Delete(lost);
        string manifest = Path.Combine(repository.RepositoryFolder, ".cvmfspublished");
        byte[] served = await File.ReadAllBytesAsync(manifest, Cancel);

        var refused = await Assert.ThrowsAsync<IncompleteStoreException>(() => repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, prepared.Revision!, Cancel));
        Assert.Equal([lost.ToString()], refused.Missing);
        Assert.Equal(served, await File.ReadAllBytesAsync(manifest, Cancel));
        Assert.Equal(1, repository.Store.AppliedSequence);
        Assert.Single(repository.Store.ReadAppliedEvents());

        await using (var batch = repository.Store.Objects.BeginBatch())
        {
            await batch.AddAsync(lost.Kind, stored, Cancel);
            await batch.CompleteAsync(Cancel);
        }

        await repository.Store.ApplyRevisionAsync(2, new byte[] { 2 }, prepared.Revision!, Cancel);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task Superseded_objects_can_be_collected_and_what_is_served_cannot()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        CommittedRevision first = repository.Revisions[0], last = repository.Revisions[2];
        Assert.Equal(
            new ObjectName[]
            {
                new(first.Head.RootHash, ObjectKind.Catalog), new(first.Head.StoreCatalog, ObjectKind.Catalog), new(repository.Revisions[1].Head.History, ObjectKind.History),
            }.Order(),
            last.Superseded.Order());

        ObjectName[] served = [new(last.Head.RootHash, ObjectKind.Catalog), new(last.Head.StoreCatalog, ObjectKind.Catalog), new(last.Head.History, ObjectKind.History)];
        await repository.Store.ApplyCollectedAsync(4, new byte[] { 4 }, [.. last.Superseded, .. served], Cancel);

        Assert.All(last.Superseded, o => Assert.False(repository.Store.Objects.Contains(o)));
        await AssertGoodAsync(repository);
        var previous = repository.Head.Previous!;
        AssertGood(CatalogAudit.Run(repository.RepositoryFolder, previous.RootHash.ToString(), previous.RootSize));
    }

    [Fact]
    public async Task Usage_counts_every_stored_object_once()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Of("one", ManyKinds), SyntheticPath.Of("two", ManyKinds));
        await repository.PublishAsync(Cancel, SyntheticPath.Of("three", ManyKinds));
        AssertUsageIsWhatLiesInTheFolder();
        await repository.Store.ApplyCollectedAsync(4, new byte[] { 4 }, [.. repository.Revisions[2].Superseded], Cancel);
        AssertUsageIsWhatLiesInTheFolder();

        void AssertUsageIsWhatLiesInTheFolder()
        {
            FileInfo[] files = [.. new DirectoryInfo(Path.Combine(repository.RepositoryFolder, "data")).EnumerateFiles("*", SearchOption.AllDirectories)];
            Assert.Equal((files.Length, files.Sum(f => f.Length), 3), (repository.Store.Usage.Objects, repository.Store.Usage.StoredBytes, repository.Store.Usage.Paths));
        }
    }

    [Fact]
    public async Task Profiles_gain_a_generation_only_when_their_target_changes()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"), SyntheticPath.Package("b"));
        Assert.Equal((MemberStatus.Committed, "default-1"), await SetAsync("a"));
        Assert.Equal((MemberStatus.Unchanged, ""), await SetAsync("a"));
        Assert.Equal((MemberStatus.Committed, "default-2"), await SetAsync("b"));
        Assert.Equal((MemberStatus.Committed, "default-3"), await SetAsync("a"));
        Assert.Equal((MemberStatus.Rejected, ""), await SetAsync("never-published"));

        await AssertGoodAsync(repository);
        await using RepositoryReader reader = await repository.OpenReaderAsync(Cancel);
        RepositoryPath profiles = RepositoryPath.Parse("/nix/var/nix/profiles");
        Assert.Equal("default-3-link", await TargetAsync("default"));
        Assert.Equal("/nix/store/" + SyntheticPath.NameOf("a"), await TargetAsync("default-1-link"));
        Assert.Equal("/nix/store/" + SyntheticPath.NameOf("b"), await TargetAsync("default-2-link"));
        Assert.Equal("/nix/store/" + SyntheticPath.NameOf("a"), await TargetAsync("default-3-link"));

        async Task<(MemberStatus, string)> SetAsync(string target)
        {
            CommitMember member = await repository.SealAsync([], Cancel, profile: "default", profileTarget: SyntheticPath.NameOf(target));
            PreparedCommit prepared = await repository.PrepareAsync(Cancel, member);
            if (prepared.Revision is { } revision)
                await repository.CommitAsync(revision, Cancel);
            return (prepared.Outcomes[0].Status, string.Concat(prepared.Revision?.Profiles.Select(p => $"{p.Profile}-{p.Generation}") ?? []));
        }

        async Task<string> TargetAsync(string name) =>
            System.Text.Encoding.UTF8.GetString((await reader.FindAsync(profiles.Combine(name), Cancel))!.SymlinkTarget.Span);
    }

    [Fact]
    public async Task A_commit_is_refused_while_the_index_is_behind()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        CommitMember member = await repository.SealAsync([SyntheticPath.Package("a")], Cancel);
        await repository.RestartAsync(Cancel, () => File.Delete(Path.Combine(repository.DataFolder, "meta", TestRepository.Name, "index.db")));
        await Assert.ThrowsAsync<IndexBehindException>(() => repository.PrepareAsync(Cancel, member));
    }

    [Fact]
    public async Task The_publish_time_never_goes_back()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        DateTimeOffset first = repository.Head.PublishedAt;
        repository.Now -= TimeSpan.FromHours(1);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        Assert.Equal(first, repository.Head.PublishedAt);
        await AssertGoodAsync(repository);
    }

    private static void AssertGood(CatalogAudit audit) => Assert.Empty(audit.Findings);

    // Two opinions that share no code.
    private static async Task AssertGoodAsync(TestRepository repository)
    {
        AssertGood(CatalogAudit.Run(repository.RepositoryFolder));
        await CleanRepository.AssertAsync(repository, Cancel);
    }

    private static async Task<string> ReadAsync(RepositoryReader reader, RepositoryPath path)
    {
        using var content = new MemoryStream();
        await reader.CopyToAsync((await reader.FindAsync(path, Cancel))!, content, Cancel);
        return System.Text.Encoding.UTF8.GetString(content.ToArray());
    }
}
