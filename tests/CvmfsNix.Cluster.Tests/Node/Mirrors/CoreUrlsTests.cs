using CvmfsNix.Cluster.Node.Mirrors;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Mirrors;

public sealed class CoreUrlsTests
{
    [Fact]
    public void Nodes_are_asked_in_turn_also_those_that_were_learnt()
    {
        var urls = new CoreUrls([new Uri("http://a:1"), new Uri("http://b:1")]);
        urls.Learn(["http://b:1/", "http://c:1", "nonsense", "ftp://d:1"]);

        Assert.Equal(["a", "b", "c"], Enumerable.Range(0, 3).Select(_ => urls.Next().Host));
        Assert.True(urls.RoundDone);
        urls.BeginRound();
        Assert.False(urls.RoundDone);
        Assert.Equal("a", urls.Next().Host);
    }

    [Fact]
    public void The_replica_id_is_made_once()
    {
        using var folder = new TestFolder();
        ReplicaIdentity first = ReplicaIdentity.Of(null, folder.Path, "geneva");

        Assert.StartsWith("geneva-", first.Id);
        Assert.Equal(first, ReplicaIdentity.Of(null, folder.Path, "elsewhere"));
        Assert.Equal("given", ReplicaIdentity.Of("given", folder.Path, "geneva").Id);
    }

    [Fact]
    public void The_token_is_the_first_word_of_the_first_line()
    {
        using var folder = new TestFolder();
        Assert.Equal("correct-horse", ReplicaToken.Read(folder.Write("t", "# mine\n\ncorrect-horse replica:r1\nother-token\n")));
        Assert.Null(ReplicaToken.Read(null));
        Assert.Throws<InvalidDataException>(() => ReplicaToken.Read(folder.Write("none", "# nothing\n")));
    }
}
