using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.Node.Errors;
using CsCheck;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Admin;

public sealed class CommandParserTests
{
    private static readonly CommandDefinition Command = new(
        "show", "Shows", (_, _, _) => Task.FromResult(true),
        new CommandArgument("repo", "Repository", "-r", "--repo") { Mandatory = true },
        new CommandArgument("count", "Lines", "-n", "--count"),
        new CommandArgument("repair", "Mends", "--repair") { Flag = true });

    [Theory]
    [InlineData("-r a -n 5 --repair")]
    [InlineData("--repo=a --count=5 --repair")]
    [InlineData("--repo a -repair -n 5")]
    [InlineData("a 5 --repair")]
    [InlineData("--repair -n 5 a")]
    public void Switches_and_values_are_understood_in_every_spelling(string line)
    {
        CommandArguments arguments = CommandParser.Parse("store", Command, line.Split(' '));
        Assert.Equal(["count=5", "repair=true", "repo=a"], arguments.Values.Select(v => $"{v.Key}={v.Value}"));
        Assert.Equal(5, arguments.Number("count", 0));
    }

    [Theory]
    [InlineData("", "-r REPO is missing")]
    [InlineData("-r", "-r needs a value")]
    [InlineData("a 5 6", "\"6\" is one value too many")]
    [InlineData("-r a -r b", "-r is given twice")]
    [InlineData("-r a --cuont 5", "--cuont is no switch of this command; did you mean --count?")]
    [InlineData("-r a --repair=no", "--repair takes no value")]
    public void A_mistake_is_named(string line, string expected)
    {
        var refused = Assert.Throws<NodeException>(() => CommandParser.Parse("store", Command, line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(NodeCodes.WrongArguments, refused.Error.Code);
        Assert.Contains(expected, refused.Error.Message, StringComparison.Ordinal);
        Assert.Equal("store show -r REPO [-n COUNT] [--repair]", refused.Error.Hint);
    }

    [Fact]
    public void All_mistakes_are_named_at_once()
    {
        string message = Assert.Throws<NodeException>(() => CommandParser.Parse("store", Command, ["-x", "--repair", "--repair"])).Error.Message;
        Assert.Contains("-x is no switch", message, StringComparison.Ordinal);
        Assert.Contains("given twice", message, StringComparison.Ordinal);
        Assert.Contains("is missing", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_typed_is_understood_or_refused() => Gen.String[0, 12].Array[0, 8].Sample(words =>
    {
        try
        {
            CommandParser.Parse("store", Command, words);
        }
        catch (NodeException e) when (e.Error.Code == NodeCodes.WrongArguments)
        {
            // Said to the operator.
        }
    });

    [Theory]
    [InlineData("-1")]
    [InlineData("many")]
    [InlineData("99999999999999999999")]
    public void A_number_that_is_none_is_named(string text)
    {
        var arguments = new CommandArguments(new Dictionary<string, string> { ["count"] = text });
        Assert.Contains(text, Assert.Throws<NodeException>(() => arguments.Number("count", 1)).Message, StringComparison.Ordinal);
    }
}
