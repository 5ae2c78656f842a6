using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

public sealed class CommitTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_batch_commits_what_can_be_and_tells_the_others_why()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("old"));
        StorePathName shared = SyntheticPath.NameOf("shared"), absent = SyntheticPath.NameOf("absent");
        CommitMember[] members =
        [
            await repository.SealAsync([SyntheticPath.Package("shared"), SyntheticPath.Package("one", references: [shared])], Cancel),
            await repository.SealAsync([SyntheticPath.Package("shared"), SyntheticPath.Package("two", references: [shared])], Cancel),
            await repository.SealAsync([SyntheticPath.Package("broken", references: [absent])], Cancel),
            await repository.SealAsync([SyntheticPath.Package("old", seed: 1)], Cancel),
            await repository.SealAsync([SyntheticPath.Package("old", seed: 1)], Cancel, ConflictPolicy.Refuse),
            await repository.SealAsync([SyntheticPath.Package("old")], Cancel),
            await repository.SealAsync([], Cancel, profile: "..", profileTarget: shared),
            (await repository.SealAsync([], Cancel)) with { Transaction = Guid.NewGuid() },
        ];
        PreparedCommit prepared = await repository.PrepareAsync(Cancel, members);
        await repository.CommitAsync(prepared.Revision!, Cancel);

        Assert.Equal(members.Select(m => m.Transaction), prepared.Outcomes.Select(o => o.Transaction));
        Assert.Equal(
            [
                (MemberStatus.Committed, null, 2, 0, 0),
                (MemberStatus.Committed, null, 1, 1, 0),
                (MemberStatus.Rejected, RejectionCodes.MissingReference, 0, 0, 0),
                (MemberStatus.Unchanged, null, 0, 0, 1),
                (MemberStatus.Rejected, RejectionCodes.StorePathConflict, 0, 0, 0),
                (MemberStatus.Unchanged, null, 0, 1, 0),
                (MemberStatus.Rejected, RejectionCodes.InvalidProfile, 0, 0, 0),
                (MemberStatus.Rejected, RejectionCodes.InvalidBundle, 0, 0, 0),
            ],
            prepared.Outcomes.Select(o => (o.Status, o.Code, o.PathsNew, o.PathsPresent, o.ContentKept.Count)));
        Assert.Equal(4, repository.Head.Paths);
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(repository, Cancel);
        Assert.Equal(
            ((string[])["one", "shared", "two"]).Select(n => SyntheticPath.NameOf(n)).Order(),
            PathInfoFile.Read(repository.Store.Blobs.OpenRead(prepared.Revision!.PathInfoDigest)!, "infos").Select(i => i.Path));
    }

    [Fact]
    public async Task A_batch_that_adds_nothing_makes_no_revision_and_leaves_the_next_one_as_it_would_be()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using TestRepository other = await TestRepository.CreateAsync(Cancel);
        other.Now = repository.Now;
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await other.PublishAsync(Cancel, SyntheticPath.Package("a"));
        Assert.Equal(MemberStatus.Unchanged, (await repository.PublishAsync(Cancel, SyntheticPath.Package("a"))).Status);
        Assert.Equal(2u, repository.Head.Revision);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        await other.PublishAsync(Cancel, SyntheticPath.Package("b"));
        Assert.Equal(other.Head.RootHash, repository.Head.RootHash);
    }

    [Fact]
    public async Task Catalogs_that_were_opened_beforehand_become_the_same_revision_and_are_not_unpacked_again()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using TestRepository other = await TestRepository.CreateAsync(Cancel);
        other.Now = repository.Now;
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        await other.PublishAsync(Cancel, SyntheticPath.Package("a"));
        string work = repository.Store.Layout.WorkFolder(repository.Format.Repository);
        await repository.Store.DiscardAsync(Cancel);
        Assert.Empty(Directory.GetFiles(work, "*.sqlite"));

        await repository.Store.WarmAsync(repository.Head, Cancel);
        string[] opened = Directory.GetFiles(work, "*.sqlite");
        Assert.Equal(2, opened.Length);
        // They are edited where they are: the new revision is found in files that were opened before it.
        FileStream[] held = [.. opened.Select(File.OpenRead)];
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"));
        await other.PublishAsync(Cancel, SyntheticPath.Package("b"));
        Assert.Equal(other.Head.RootHash, repository.Head.RootHash);
        foreach (FileStream file in held)
        {
            await using (file)
            {
                var bytes = new byte[file.Length];
                await file.ReadExactlyAsync(bytes, Cancel);
                Assert.Equal(await File.ReadAllBytesAsync(file.Name, Cancel), bytes);
            }
        }

        // A store that has not got them has nothing to open, and says nothing.
        await repository.Store.DiscardAsync(Cancel);
        await repository.Store.WarmAsync(repository.Head with { StoreCatalog = repository.Head.History }, Cancel);
        Assert.Empty(Directory.GetFiles(work, "*.sqlite"));
    }

    [Fact]
    public async Task The_order_of_a_batch_does_not_show_in_the_catalogs()
    {
        await using TestRepository one = await TestRepository.CreateAsync(Cancel);
        await using TestRepository two = await TestRepository.CreateAsync(Cancel);
        two.Now = one.Now;
        foreach ((TestRepository repository, string[] order) in ((TestRepository, string[])[])[(one, ["a", "b", "c"]), (two, ["c", "a", "b"])])
        {
            var members = new List<CommitMember>();
            foreach (string name in order)
                members.Add(await repository.SealAsync([SyntheticPath.Package(name), SyntheticPath.Package(name + "-small", files: 0)], Cancel));
            await repository.CommitAsync((await repository.PrepareAsync(Cancel, [.. members])).Revision!, Cancel);
        }

        Assert.Equal(one.Head.RootHash, two.Head.RootHash);
        Assert.Equal(one.Revisions[1].DeltaDigest, two.Revisions[1].DeltaDigest);
    }

    [Fact]
    public async Task The_delta_names_every_object_the_revision_needs_beyond_the_one_before()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"), SyntheticPath.Package("small", files: 1));
        IReadOnlySet<string> before = CatalogAudit.Run(repository.RepositoryFolder).Objects;
        await repository.PublishAsync(Cancel, SyntheticPath.Package("b"), SyntheticPath.Of("chunked", SyntheticTree.File(new string('z', 100), chunkSize: 9)));
        CatalogAudit audit = CatalogAudit.Run(repository.RepositoryFolder);
        HashSet<string> delta = [.. DeltaFile.ReadObjects(repository.Store.Blobs.OpenRead(repository.Revisions[2].DeltaDigest)!, "delta").Select(o => o.Name.RelativePath)];
        Assert.Empty(audit.Objects.Except(before).Except(delta));
        Assert.Empty(delta.Except(audit.Objects));
    }

    [Fact]
    public async Task A_path_whose_objects_are_gone_is_not_committed_unless_other_stores_answer_for_them()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("a");
        CommitMember member = await repository.SealAsync([path], Cancel);
        repository.Store.Objects.Delete(path.Objects.Keys.First());
        await Assert.ThrowsAsync<IncompleteStoreException>(() => repository.PrepareAsync(Cancel, member));

        repository.Store.CommitRequiresObjects = false;
        Assert.NotNull((await repository.PrepareAsync(Cancel, member)).Revision);
    }

    [Fact]
    public async Task A_missing_bundle_is_named_and_changes_nothing()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        CommitMember lost = new(Guid.NewGuid(), new string('a', 64));
        var refused = await Assert.ThrowsAsync<IncompleteStoreException>(() => repository.PrepareAsync(Cancel, lost));
        Assert.Equal([lost.BundleDigest], refused.Missing);
        await repository.PublishAsync(Cancel, SyntheticPath.Package("a"));
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(repository, Cancel);
    }
}
