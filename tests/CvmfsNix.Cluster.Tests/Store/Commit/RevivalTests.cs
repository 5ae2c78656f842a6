using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

/// <summary>Removed paths that a batch needs come back with it, as long as their objects are there.</summary>
public sealed class RevivalTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_removed_path_comes_back_with_all_that_it_needs()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath deep = SyntheticPath.Package("deep"), lib = SyntheticPath.Package("lib", references: [deep.Path]);
        await repository.PublishAsync(Cancel, deep, lib, SyntheticPath.Package("other"));
        CommitRules rules = await RemoveAsync(repository, lib.Path, deep.Path, Name("other"));

        PreparedCommit prepared = await PrepareAsync(repository, rules, SyntheticPath.Package("app", references: [lib.Path]));

        Assert.Equal(MemberStatus.Committed, Assert.Single(prepared.Outcomes).Status);
        await repository.CommitAsync(prepared.Revision!, Cancel);
        Assert.Equal(new[] { Name("app"), deep.Path, lib.Path }.Order(), repository.Store.Index.Paths.All().Select(p => p.Info.Path).Order());
        Assert.Superset(deep.Objects.Keys.Concat(lib.Objects.Keys).ToHashSet(), prepared.Revived.ToHashSet());
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task Who_needs_a_removed_path_of_which_an_object_is_lost_is_rejected_alone()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath deep = SyntheticPath.Package("deep"), lib = SyntheticPath.Package("lib", references: [deep.Path]), whole = SyntheticPath.Package("whole");
        await repository.PublishAsync(Cancel, deep, lib, whole);
        CommitRules rules = await RemoveAsync(repository, lib.Path, deep.Path, whole.Path);
        repository.Store.Objects.Delete(deep.Objects.Keys.Except(whole.Objects.Keys).First());

        PreparedCommit prepared = await PrepareAsync(
            repository, rules, SyntheticPath.Package("app", references: [lib.Path]), SyntheticPath.Package("fine"), SyntheticPath.Package("uses-whole", references: [whole.Path]));

        Assert.Equal([MemberStatus.Rejected, MemberStatus.Committed, MemberStatus.Committed], prepared.Outcomes.Select(o => o.Status));
        Assert.Equal(RejectionCodes.MissingReference, prepared.Outcomes[0].Code);
        await repository.CommitAsync(prepared.Revision!, Cancel);
        Assert.Null(repository.Store.Index.Paths.Find(lib.Path));
        Assert.NotNull(repository.Store.Index.Paths.Find(whole.Path));
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task What_of_it_is_elsewhere_is_brought_and_what_is_nowhere_is_not_had_back()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath there = SyntheticPath.Package("there"), nowhere = SyntheticPath.Package("nowhere");
        await repository.PublishAsync(Cancel, there, nowhere);
        CommitRules rules = await RemoveAsync(repository, there.Path, nowhere.Path);
        var lost = new Dictionary<ObjectName, byte[]>();
        foreach (SyntheticPath path in (SyntheticPath[])[there, nowhere])
        {
            ObjectName name = path.Objects.Keys.Except((path == there ? nowhere : there).Objects.Keys).First();
            lost.Add(name, path.Objects[name]);
            repository.Store.Objects.Delete(name);
        }

        var asked = new List<ObjectName>();
        rules = rules with
        {
            Bring = async (missing, ct) =>
            {
                asked.AddRange(missing);
                await using CvmfsNix.Cluster.Store.Objects.ObjectBatch batch = repository.Store.Objects.BeginBatch();
                ObjectName found = missing.Single(there.Objects.ContainsKey);
                await batch.AddAsync(found.Kind, lost[found], ct);
                await batch.CompleteAsync(ct);
                return [.. missing.Except([found])];
            },
        };

        PreparedCommit prepared = await PrepareAsync(repository, rules, SyntheticPath.Package("a", references: [there.Path]), SyntheticPath.Package("b", references: [nowhere.Path]));

        Assert.Equal(lost.Keys.Order(), asked.Order());
        Assert.Equal([MemberStatus.Committed, MemberStatus.Rejected], prepared.Outcomes.Select(o => o.Status));
        await repository.CommitAsync(prepared.Revision!, Cancel);
        await AssertGoodAsync(repository);
    }

    [Fact]
    public async Task A_path_that_was_taken_back_does_not_come_with_who_needs_it()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath lib = SyntheticPath.Package("lib");
        await repository.PublishAsync(Cancel, lib);
        CommitRules rules = await RemoveAsync(repository, lib.Path);
        rules = rules with { Withdrawn = new Dictionary<StorePathName, string> { [lib.Path] = "bad" } };

        PreparedCommit prepared = await PrepareAsync(repository, rules, SyntheticPath.Package("app", references: [lib.Path]));

        Assert.Equal(RejectionCodes.MissingReference, prepared.Outcomes[0].Code);
        Assert.Null(prepared.Revision);
    }

    private static StorePathName Name(string name) => SyntheticPath.NameOf(name);

    private static async Task<CommitRules> RemoveAsync(TestRepository repository, params StorePathName[] paths)
    {
        CommittedRevision removal = (await repository.RemoveAsync(Cancel, paths))!;
        Assert.Equal(paths.Length, removal.PathsRemoved);
        return new CommitRules(new Dictionary<StorePathName, string>(), [removal.PathInfoDigest]);
    }

    // Each path is a builder's transaction.
    private static async Task<PreparedCommit> PrepareAsync(TestRepository repository, CommitRules rules, params SyntheticPath[] paths)
    {
        string[] blobs = [.. repository.Store.Blobs.List()];
        var members = new List<CommitMember>();
        foreach (SyntheticPath path in paths)
            members.Add(await repository.SealAsync([path], Cancel));
        PreparedCommit prepared = await repository.Store.PrepareAsync(repository.Head, members, rules, repository.Keys, repository.Now, Cancel);
        string[] records = prepared.Revision is { } revision ? [revision.PathInfoDigest, revision.DeltaDigest] : [];
        // The bundle of what came back is gone.
        Assert.Empty(repository.Store.Blobs.List().Except(blobs).Except(members.Select(m => m.BundleDigest)).Except(records));
        return prepared;
    }

    private static async Task AssertGoodAsync(TestRepository repository)
    {
        Assert.Empty(CatalogAudit.Run(repository.RepositoryFolder).Findings);
        await CleanRepository.AssertAsync(repository, Cancel);
    }
}
