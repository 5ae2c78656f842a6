using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Repositories;

public sealed class KeyRotationTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly TimeSpan Caches = TimeSpan.FromSeconds(120);
    private static readonly ObjectHash Certificate = ObjectHash.Parse(new string('a', 40));

    // What is in the folder and in the whitelist, how long ago the whitelist was replaced and the key changed, in seconds; the step, and after how many seconds it may be taken.
    [Theory]
    [InlineData(null, "old", 9999, null, KeyRotationStep.NothingToDo, 0)]
    [InlineData("new", "old", 9999, null, KeyRotationStep.ListNext, 0)]
    [InlineData("new", "old new", 0, null, KeyRotationStep.AwaitListed, 120)]
    [InlineData("new", "old new", 119, null, KeyRotationStep.AwaitListed, 1)]
    [InlineData("new", "old new", 120, null, KeyRotationStep.Sign, 0)]
    // A second change begins like the first one, also while the whitelist still names the key before.
    [InlineData("new", "before old", 9999, 9999, KeyRotationStep.ListNext, 0)]
    // The pair that was to be next went away before it signed.
    [InlineData(null, "old new", 0, null, KeyRotationStep.Unlist, 0)]
    [InlineData(null, "before old", 9999, 0, KeyRotationStep.AwaitSigned, 120)]
    [InlineData(null, "before old", 0, 119, KeyRotationStep.AwaitSigned, 1)]
    [InlineData(null, "before old", 0, 120, KeyRotationStep.Unlist, 0)]
    [InlineData(null, "old", 0, 120, KeyRotationStep.Done, 0)]
    [InlineData(null, "old", 0, 86400, KeyRotationStep.NothingToDo, 0)]
    public void The_next_step_follows_from_what_signs_what_is_listed_and_what_caches_may_show(string? next, string listed, int listedAgo, int? changedAgo, KeyRotationStep step, int after)
    {
        var state = RepositoryState.Empty with
        {
            WhitelistAt = Now.AddSeconds(-listedAgo),
            KeyChanges = changedAgo is { } ago ? [new SigningKeyChange(Certificate, Now.AddSeconds(-ago))] : [],
        };
        Assert.Equal((step, Now.AddSeconds(after)), KeyRotation.Decide(state, new SigningKeys("old", next, listed.Split(' ')), Caches, Now));
    }

    [Fact]
    public void A_whitelist_that_is_renewed_soon_after_a_change_names_the_key_before_too()
    {
        var definition = new RepositoryDefinition(RepositoryId.Parse("a.example.org"), StoreDirectory.Parse("/nix/store"), HashAlgorithmId.Sha1, 240, 8, ObjectHash.Parse(new string('0', 40)));
        var state = RepositoryState.Empty with { Definition = definition };
        Assert.Null(KeyRotation.AlsoListed(state, Now));
        state = state with { KeyChanges = [new SigningKeyChange(Certificate, Now.AddMinutes(-59))] };
        Assert.Equal(definition.Certificate, KeyRotation.AlsoListed(state, Now));
        Assert.Null(KeyRotation.AlsoListed(state, Now.AddMinutes(1)));
        state = state with { KeyChanges = [.. state.KeyChanges, new SigningKeyChange(ObjectHash.Parse(new string('b', 40)), Now)] };
        Assert.Equal(Certificate, KeyRotation.AlsoListed(state, Now));
        // All of them are kept: manifests of all times are in journals and backups.
        Assert.Empty(new[] { definition.Certificate, Certificate, ObjectHash.Parse(new string('b', 40)) }.Except(state.KeptByName()));
    }
}
