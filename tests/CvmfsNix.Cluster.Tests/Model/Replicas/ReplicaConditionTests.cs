using CsCheck;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Model.Replicas;

public sealed class ReplicaConditionTests
{
    private static readonly DateTimeOffset Now = new(2026, 2, 3, 4, 5, 6, TimeSpan.Zero);

    [Theory]
    [InlineData("all")]
    [InlineData("replicas=0")]
    [InlineData("replicas=12")]
    [InlineData("site:geneva-1")]
    public void A_condition_is_written_as_it_was_read(string text)
    {
        Assert.True(ReplicaCondition.TryParse(text, out ReplicaCondition? condition));
        Assert.Equal(text, condition.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("All")]
    [InlineData("replicas=")]
    [InlineData("replicas=-1")]
    [InlineData("replicas= 1")]
    [InlineData("replicas=99999999999")]
    [InlineData("site:")]
    [InlineData("site:a b")]
    public void Anything_else_is_no_condition(string? text) => Assert.False(ReplicaCondition.TryParse(text, out _));

    [Fact]
    public void All_is_everyone_registered_and_not_paused()
    {
        ReplicaSummary[] replicas = [Of("a", 7), Of("b", 6), Of("p", 1) with { Paused = true }, Of("gone", 1) with { Registered = false }, Of("silent", 7) with { Connected = false }];
        ReplicaWait wait = ReplicaCondition.All.Judge(7, replicas);
        Assert.False(wait.Reached);
        Assert.Equal(["b"], wait.Behind.Select(r => r.Key.Replica.Value));
        Assert.Equal(["a", "silent"], wait.Serving.Select(r => r.Key.Replica.Value));
        Assert.True(ReplicaCondition.All.Judge(6, replicas).Reached);
        Assert.True(ReplicaCondition.All.Judge(7, []).Reached);
    }

    [Fact]
    public void A_site_needs_all_of_its_own_and_at_least_one()
    {
        ReplicaCondition condition = Parsed("site:x");
        ReplicaSummary[] replicas = [Of("a", 7, "x"), Of("b", 6, "y")];
        Assert.True(condition.Judge(7, replicas).Reached);
        Assert.False(condition.Judge(8, replicas).Reached);
        Assert.False(condition.Judge(1, [Of("b", 6, "y")]).Reached);
        Assert.False(condition.Judge(7, [Of("a", 7, "x"), Of("c", 6, "x")]).Reached);
    }

    [Fact]
    public void A_number_is_reached_when_so_many_serve_it()
    {
        ReplicaCondition condition = Parsed("replicas=2");
        Assert.False(condition.Judge(7, [Of("a", 7), Of("b", 6)]).Reached);
        Assert.True(condition.Judge(7, [Of("a", 7), Of("b", 6), Of("c", 9)]).Reached);
    }

    [Fact]
    public void Who_is_reached_for_a_revision_is_reached_for_every_earlier_one() =>
        Gen.Select(Gen.ULong[0, 5].Array[0, 5], Gen.ULong[1, 5], Gen.Int[0, 3]).Sample((revisions, asked, which) =>
        {
            ReplicaCondition condition = Parsed(new[] { "all", "replicas=1", "replicas=3", "site:s" }[which]);
            ReplicaSummary[] replicas = [.. revisions.Select((r, i) => Of($"r{i}", r, "s"))];
            return !condition.Judge(asked, replicas).Reached || condition.Judge(asked - 1, replicas).Reached;
        });

    [Fact]
    public void What_was_seen_lately_holds_back_collection_and_what_was_not_does_not()
    {
        Assert.Null(CollectionHold.OldestServed([], Now));
        Assert.Equal(3UL, CollectionHold.OldestServed([Of("a", 7), Of("b", 3), Of("gone", 1) with { Registered = false }], Now));
        Assert.Equal(0UL, CollectionHold.OldestServed([Of("a", 7), Of("new", 0)], Now));
        Assert.Equal(3UL, CollectionHold.OldestServed([Of("paused", 3) with { Paused = true, Connected = false }], Now + TimeSpan.FromHours(23)));
        Assert.Null(CollectionHold.OldestServed([Of("lost", 3)], Now + TimeSpan.FromHours(24)));
    }

    private static ReplicaCondition Parsed(string text)
    {
        Assert.True(ReplicaCondition.TryParse(text, out ReplicaCondition? condition));
        return condition;
    }

    private static ReplicaSummary Of(string name, ulong revision, string site = "s") => new(
        new ReplicaKey(RepositoryId.Parse("test.example.org"), ReplicaId.Parse(name)), true, site, "", false, true, Now, Now, new ReplicaPosition((long)revision, revision, "aa"), null);
}
