using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Pbm;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Pbm;

public sealed class PbmArgumentsTests
{
    [Theory]
    [InlineData("cluster show", null, "cluster show")]
    [InlineData("127.0.0.1:9111 cluster show", "http://127.0.0.1:9111", "cluster show")]
    [InlineData("node-1.example.org:9110", "http://node-1.example.org:9110", "")]
    [InlineData("https://n1:9443 cluster leave", "https://n1:9443", "cluster leave")]
    [InlineData("cluster down -a akka.tcp://cvmfsnix@127.0.0.1:8110", null, "cluster down -a akka.tcp://cvmfsnix@127.0.0.1:8110")]
    [InlineData("cluster down 127.0.0.1:8110", null, "cluster down 127.0.0.1:8110")]
    public void The_host_comes_first_or_not_at_all(string line, string? server, string words)
    {
        PbmArguments arguments = PbmArguments.Parse(line.Split(' '));
        Assert.Equal(server, arguments.Server);
        Assert.Equal(words, string.Join(' ', arguments.Words));
    }

    [Fact]
    public void Switches_of_the_shell_may_stand_anywhere()
    {
        PbmArguments arguments = PbmArguments.Parse(["--json", "txn", "--watch", "0.5", "abort", "--yes", "-t", "x", "--timeout", "3"]);
        Assert.Equal(["txn", "abort", "-t", "x"], arguments.Words);
        Assert.True(arguments.Json && arguments.Yes);
        Assert.Equal(TimeSpan.FromSeconds(0.5), arguments.Watch);
        Assert.Equal(3, arguments.Timeout);
        Assert.Equal(TimeSpan.FromSeconds(2), PbmArguments.Parse(["cluster", "show", "--watch"]).Watch);
    }

    [Fact]
    public void All_mistakes_are_named_at_once()
    {
        var wrong = Assert.Throws<CliException>(() => PbmArguments.Parse(["--timeout", "soon", "--watch", "0", "--token-file"]));
        Assert.Equal(2, wrong.ExitCode);
        Assert.Equal("--timeout: \"soon\" is no number of seconds above 0. --watch: \"0\" is no number of seconds above 0. --token-file needs a value.", wrong.Message);
    }

    [Theory]
    [InlineData("a  b", "a|b", 3)]
    [InlineData("a 'b c' \"d\"", "a|b c|d", 8)]
    [InlineData("a ", "a", 2)]
    [InlineData("repo ''", "repo|", 5)]
    [InlineData("", "", 0)]
    public void Quotes_keep_blanks_together(string line, string words, int begun)
    {
        Assert.Equal(words, string.Join('|', PbmWords.Split(line, out int from)));
        Assert.Equal(begun, from);
    }
}
