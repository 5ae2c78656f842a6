using CvmfsNix.Cluster.Cli.Pbm;
using CvmfsNix.Cluster.Contracts.Admin;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Pbm;

public sealed class PbmCompletionTests
{
    private static readonly Palette[] Palettes =
    [
        new() { Name = "cluster", Commands = { new Command { Name = "show" }, new Command { Name = "down", Arguments = { Argument("address", live: true, "-a", "--address") } }, new Command { Name = "down-unreachable" } } },
        new() { Name = "cluster-sharding" },
        new()
        {
            Name = "txn",
            Commands = { new Command { Name = "list", Arguments = { Argument("repo", live: true, "-r", "--repo"), Suggesting("count", "-n", "10", "20"), new Argument { Name = "all", Switches = { "--all" }, Flag = true } } } },
        },
    ];

    private readonly List<string> _asked = [];

    [Theory]
    [InlineData("", "cluster cluster-sharding txn help exit")]
    [InlineData("cl", "cluster cluster-sharding")]
    [InlineData("cluster ", "show down down-unreachable")]
    [InlineData("cluster do", "down down-unreachable")]
    [InlineData("help cluster d", "down down-unreachable")]
    [InlineData("nothing ", "")]
    [InlineData("cluster down ", "-a n1 n2")]
    [InlineData("cluster down -a ", "n1 n2")]
    [InlineData("cluster down --address n", "n1 n2")]
    [InlineData("cluster down n", "n1 n2")]
    [InlineData("txn list ", "-r -n --all")]
    [InlineData("txn list -r a ", "-n --all")]
    [InlineData("txn list -n ", "10 20")]
    [InlineData("txn list --a", "--all")]
    [InlineData("txn list --j", "--json")]
    public async Task What_makes_sense_is_offered(string line, string expected)
    {
        var completion = new PbmCompletion(Palettes, LiveAsync);
        var (from, candidates) = await completion.AtAsync(line, TestContext.Current.CancellationToken);
        Assert.Equal(expected, string.Join(' ', candidates));
        Assert.Equal(line.LastIndexOf(' ') + 1, from);
    }

    [Fact]
    public async Task The_node_is_told_what_was_typed_before()
    {
        await new PbmCompletion(Palettes, LiveAsync).AtAsync("txn list -n 10 -r soft", TestContext.Current.CancellationToken);
        Assert.Equal(["txn list repo soft: -n 10 -r"], _asked);
    }

    [Fact]
    public void A_common_beginning_is_filled_in() => Assert.Equal("down", PbmCompletion.Common(["down", "down-unreachable"]));

    private Task<IReadOnlyList<string>> LiveAsync(CompleteRequest request, CancellationToken ct)
    {
        _asked.Add($"{request.Palette} {request.Command} {request.Argument} {request.Begun}: {string.Join(' ', request.Words)}");
        return Task.FromResult<IReadOnlyList<string>>(["n1", "n2"]);
    }

    private static Argument Argument(string name, bool live, params string[] switches) => new() { Name = name, Live = live, Switches = { switches } };

    private static Argument Suggesting(string name, string @switch, params string[] values) => new() { Name = name, Switches = { @switch }, Suggested = { values } };
}
