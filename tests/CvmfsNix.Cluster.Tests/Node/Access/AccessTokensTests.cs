using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class AccessTokensTests
{
    [Fact]
    public void A_token_bound_to_a_replica_opens_that_replicas_stream_and_nothing_else()
    {
        AccessTokens tokens = AccessTokens.Of(["correct-horse", "battery-staple replica:mirror-1"]);
        Caller all = tokens.Find("correct-horse")!, bound = tokens.Find("battery-staple")!;
        Assert.All(Enum.GetValues<NeedKind>(), kind => Assert.True(all.Allows(new Need(kind, "a.example.org"))));
        Assert.Null(all.Replica);
        Assert.Equal("mirror-1", bound.Replica);
        Assert.All(
            Enum.GetValues<NeedKind>(),
            kind => Assert.Equal(kind is NeedKind.Nothing or NeedKind.Credential or NeedKind.Replicate, bound.Allows(new Need(kind, "a.example.org"))));
        Assert.Null(tokens.Find("battery-staple replica:mirror-1"));
        Assert.Null(tokens.Find(null));
        Assert.Null(AccessTokens.Off.Find("correct-horse"));
    }

    [Fact]
    public void Scopes_behind_a_token_are_all_it_allows()
    {
        AccessTokens tokens = AccessTokens.Of(["builder-token publish:a.example.org, read"], "operators-token");
        Caller builder = tokens.Find("builder-token")!;
        Assert.True(builder.Allows(new Need(NeedKind.Publish, "a.example.org")));
        Assert.False(builder.Allows(new Need(NeedKind.Publish, "b.example.org")));
        Assert.False(builder.Allows(new Need(NeedKind.Publish)));
        Assert.True(builder.Allows(new Need(NeedKind.Read)));
        NodeError refusal = builder.Refusal(new Need(NeedKind.Operate))!;
        Assert.Equal(NodeCodes.Forbidden, refusal.Code);
        Assert.Contains("scope operate", refusal.Message, StringComparison.Ordinal);
        Assert.True(tokens.Find("operators-token")!.Allows(new Need(NeedKind.Admin)));
        Assert.Throws<InvalidDataException>(() => AccessTokens.Of(["builder-token publish:"]));
    }

    [Theory]
    [InlineData("long-enough-token replica:mirror-1", true)]
    [InlineData("long-enough-token", true)]
    [InlineData("long-enough-token replica:a/b", false)]
    [InlineData("long-enough-token replica:", false)]
    [InlineData("long-enough-token mirror-1", false)]
    [InlineData("long-enough-token publish:a.example.org read", true)]
    [InlineData("long-enough-token publish:../a", false)]
    [InlineData("long-enough-token read replica:mirror-1", false)]
    [InlineData("short replica:mirror-1", false)]
    public void A_line_of_the_token_file_is_a_token_and_perhaps_its_replica(string line, bool good)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, $"# comment\n\n{line}\n");
            if (good)
                Assert.Equal([line], AccessTokens.ReadFile(file));
            else
                Assert.Throws<InvalidDataException>(() => AccessTokens.ReadFile(file));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
