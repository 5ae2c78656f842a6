using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Contracts.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Tags;

public sealed class TagCommandsTests
{
    private const string Shape = """{"repository":"a.example.org","name":"v1","revision":4,"rootHash":"ab","at":"2026-01-31T12:00:00Z","description":"text"}""";

    private static TagInfo Tag => new() { Repository = "a.example.org", Name = "v1", Revision = 4, RootHash = "ab", At = 1769860800, Description = "text" };

    [Fact]
    public async Task Tags_are_set_listed_and_removed()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        SetTagRequest? asked = null;
        node.OnSetTag = request =>
        {
            asked = request;
            return new TagReply { Tag = Tag, Changed = true };
        };
        node.OnListTags = _ => new ListTagsReply { Tags = { Tag } };
        node.OnRemoveTag = _ => new TagReply { Tag = Tag, Changed = true };

        CliRun set = await CliRun.RunAsync("tag", "set", "v1", "--revision", "4", "--description", "text", "--repo", "a.example.org", "--json", "--server", node.Url);
        Assert.Equal(Shape[..^1] + ",\"changed\":true}", set.Json.GetRawText());
        Assert.Equal(("a.example.org", "v1", 4UL, "text"), (asked!.Repository, asked.Name, asked.Revision, asked.Description));
        CliRun list = await CliRun.RunAsync("tag", "list", "--repo", "a.example.org", "--json", "--server", node.Url);
        Assert.Equal($"[{Shape}]", list.Json.GetRawText());
        Assert.Equal(ExitCode.Done, (await CliRun.RunAsync("tag", "remove", "v1", "--repo", "a.example.org", "--server", node.Url)).Exit);
    }

    [Fact]
    public async Task What_is_not_there_is_exit_code_1()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        Assert.Equal(ExitCode.No, (await CliRun.RunAsync("tag", "set", "v1", "--repo", "a.example.org", "--server", node.Url)).Exit);
        Assert.Equal(ExitCode.No, (await CliRun.RunAsync("tag", "remove", "v1", "--repo", "a.example.org", "--server", node.Url)).Exit);
    }

    [Theory]
    [InlineData("tag", "set", "trunk", "--repo", "a.example.org")]
    [InlineData("tag", "set", "a b", "--repo", "a.example.org")]
    [InlineData("tag", "set", "v1")]
    [InlineData("tag", "set", "v1", "--repo", "a.example.org", "--revision", "0")]
    [InlineData("tag", "remove", "trunk-previous", "--repo", "a.example.org")]
    public async Task A_malformed_command_is_not_tried(params string[] arguments) => Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync(arguments)).Exit);
}
