using CvmfsNix.Cluster.Node.Access;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class AccessTokensTests
{
    [Fact]
    public void A_token_bound_to_a_replica_opens_that_replicas_stream_and_nothing_else()
    {
        AccessTokens tokens = AccessTokens.Of(["correct-horse", "battery-staple replica:mirror-1"]);
        Assert.True(tokens.Admits("Bearer correct-horse"));
        Assert.True(tokens.AdmitsReplica("Bearer correct-horse", "mirror-2"));
        Assert.False(tokens.Admits("Bearer battery-staple"));
        Assert.True(tokens.Knows("Bearer battery-staple"));
        Assert.True(tokens.AdmitsReplica("Bearer battery-staple", "mirror-1"));
        Assert.False(tokens.AdmitsReplica("Bearer battery-staple", "mirror-2"));
        Assert.False(tokens.Knows("Bearer battery-staple replica:mirror-1"));
        Assert.False(tokens.Knows(null));
        Assert.True(AccessTokens.Off.AdmitsReplica(null, "anyone"));
    }

    [Theory]
    [InlineData("long-enough-token replica:mirror-1", true)]
    [InlineData("long-enough-token", true)]
    [InlineData("long-enough-token replica:a/b", false)]
    [InlineData("long-enough-token replica:", false)]
    [InlineData("long-enough-token mirror-1", false)]
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
