using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Store.NixDatabases;
using CvmfsNix.Cluster.Tests.Verify;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Commit;

/// <summary>A committed path gets signatures, and nothing else of it changes.</summary>
public sealed class AddedSignaturesTests
{
    private static readonly string Bytes = Convert.ToBase64String(new byte[64]);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_path_gets_the_signatures_it_has_not_yet_once()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        SyntheticPath a = SyntheticPath.Package("a"), b = SyntheticPath.Package("b");
        await repository.PublishAsync(Cancel, a, b);
        long changes = repository.Store.Index.Paths.Changes;

        CommitMember one = await SignAsync(repository, a.Upload.Info, $"one:{Bytes}", $"two:{Bytes}"), other = await SignAsync(repository, a.Upload.Info, $"two:{Bytes}", $"three:{Bytes}");
        PreparedCommit prepared = await repository.PrepareAsync(Cancel, one, other);
        Assert.Equal([MemberStatus.Committed, MemberStatus.Committed], prepared.Outcomes.Select(o => o.Status));
        await repository.CommitAsync(prepared.Revision!, Cancel);

        Assert.Equal([$"one:{Bytes}", $"two:{Bytes}", $"three:{Bytes}"], Of(repository, a));
        Assert.Empty(Of(repository, b));
        Assert.Equal(2, repository.Head.Paths);
        // Whoever keeps what it found in the index looks again.
        Assert.True(repository.Store.Index.Paths.Changes > changes);
        PreparedCommit again = await repository.PrepareAsync(Cancel, await SignAsync(repository, a.Upload.Info, $"one:{Bytes}"));
        Assert.Equal((MemberStatus.Unchanged, null), (again.Outcomes[0].Status, again.Revision));
        await repository.FinishNixDatabaseAsync(Cancel);
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
        await CleanRepository.AssertAsync(repository, Cancel);
    }

    [Fact]
    public async Task An_index_made_anew_and_a_database_that_was_left_behind_have_them()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel, nixDatabase: true);
        SyntheticPath a = SyntheticPath.Package("a");
        await repository.PublishAsync(Cancel, a);
        PreparedCommit prepared = await repository.PrepareAsync(Cancel, await SignAsync(repository, a.Upload.Info, $"one:{Bytes}"));
        await repository.CommitAsync(prepared.Revision!, Cancel);
        Assert.Empty(prepared.Revision!.Made);

        await repository.RestartAsync(Cancel, () => File.Delete(repository.Store.Layout.IndexFile(TestRepository.Name)));
        foreach (CommittedRevision revision in repository.Revisions)
            await repository.Store.ReindexAsync(revision, Cancel);
        Assert.Equal([$"one:{Bytes}"], Of(repository, a));
        Assert.NotNull(await repository.FinishNixDatabaseAsync(Cancel));
        using ReadNixDatabase database = await ReadNixDatabase.OpenAsync(repository, Cancel);
        database.AssertIs(repository);
    }

    [Fact]
    public async Task Nothing_is_taken_in_our_own_name_of_no_legal_form_or_for_what_is_not_there()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        NixSecretKey key = NixSecretKey.Generate(TestRepository.Name + "-1");
        repository.Store.NixKey = () => key;
        SyntheticPath a = SyntheticPath.Package("a");
        await repository.PublishAsync(Cancel, a);
        string own = Assert.Single(Of(repository, a));

        PreparedCommit refused = await repository.PrepareAsync(
            Cancel,
            await SignAsync(repository, a.Upload.Info, $"{key.Name}:{Bytes}", "no signature", "one:AAAA", own),
            await SignAsync(repository, SyntheticPath.Package("a", seed: 1).Upload.Info, $"one:{Bytes}"),
            await SignAsync(repository, SyntheticPath.Package("never").Upload.Info, $"one:{Bytes}"));
        Assert.All(refused.Outcomes, o => Assert.Equal(MemberStatus.Unchanged, o.Status));
        Assert.Null(refused.Revision);

        string[] many = [.. Enumerable.Range(0, 300).Select(i => $"key{i}:{Bytes}")];
        PreparedCommit bounded = await repository.PrepareAsync(Cancel, await SignAsync(repository, a.Upload.Info, many));
        await repository.CommitAsync(bounded.Revision!, Cancel);
        Assert.Equal(100, Of(repository, a).Count);
        Assert.Equal(own, Of(repository, a)[0]);
    }

    private static IReadOnlyList<string> Of(TestRepository repository, SyntheticPath path) => repository.Store.Index.Paths.Find(path.Path)!.Info.Signatures;

    private static async Task<CommitMember> SignAsync(TestRepository repository, PathInfo info, params string[] signatures)
    {
        var id = Guid.CreateVersion7();
        string digest = await repository.Store.Blobs.PutAsync(
            stream =>
            {
                new BundleWriter(stream, new BundleHeader(TestRepository.Name, id, ConflictPolicy.Keep, null, null) { Signed = [info with { Signatures = signatures }] }).Finish();
                return Task.CompletedTask;
            },
            Cancel);
        return new CommitMember(id, digest);
    }
}
