using System.Text.Json;
using CvmfsNix.Cluster.Cli.Spooling;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Spooling;

public sealed class AgentCommandsTests
{
    [Fact]
    public async Task Status_shows_what_waits_what_is_under_way_and_what_was_set_aside()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", "/nix/store/a");
        folder.Arrive("1-2", "/nix/store/b");
        await folder.Spool.StartAsync(new SpoolBatch("id", "a.example.org", ["1-1"], ["/nix/store/a"]), TestContext.Current.CancellationToken);
        await folder.Spool.SetAsideAsync("1-0", new BadEntry("InvalidEntry", "no", "1-0", ""), TestContext.Current.CancellationToken);
        File.WriteAllText(folder.Spool.Folder + "/bad/1-0", "");

        CliRun run = await CliRun.RunAsync("agent", "status", "--spool", folder.Spool.Folder, "--json");

        Assert.Equal(0, run.Exit);
        Assert.Equal(
            ["spool", "running", "repository", "queued", "inFlight", "transaction", "oldestAt", "committedTransactions", "committedPaths", "lastCommit", "lastFailure", "setAside"],
            run.Json.EnumerateObject().Select(static p => p.Name));
        Assert.False(run.Json.GetProperty("running").GetBoolean());
        Assert.Equal((1, 1, "id"), (run.Json.GetProperty("queued").GetInt32(), run.Json.GetProperty("inFlight").GetInt32(), run.Json.GetProperty("transaction").GetString()));
        JsonElement bad = Assert.Single(run.Json.GetProperty("setAside").EnumerateArray());
        Assert.Equal(("1-0", "InvalidEntry"), (bad.GetProperty("entry").GetString(), bad.GetProperty("reason").GetProperty("code").GetString()));

        using FileStream held = folder.Spool.TryLock()!;
        Assert.True((await CliRun.RunAsync("agent", "status", "--spool", folder.Spool.Folder, "--json")).Json.GetProperty("running").GetBoolean());
    }

    [Fact]
    public async Task Wait_ends_when_what_was_there_is_gone_and_says_what_was_set_aside()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", "/nix/store/a");
        folder.Arrive("1-2", "/nix/store/b");
        Task<CliRun> waiting = CliRun.RunAsync("agent", "wait", "--spool", folder.Spool.Folder, "--json");
        await folder.Spool.SetAsideAsync("1-1", new BadEntry("X", "no", "", ""), TestContext.Current.CancellationToken);
        File.Delete(folder.Spool.Arrivals + "/1-2");

        CliRun run = await waiting;

        Assert.Equal(1, run.Exit);
        Assert.Equal(1, run.Json.GetProperty("committed").GetInt32());
        Assert.Equal("1-1", Assert.Single(run.Json.GetProperty("setAside").EnumerateArray()).GetProperty("entry").GetString());
        Assert.Contains("no agent runs", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await CliRun.RunAsync("agent", "wait", "--spool", folder.Spool.Folder, "--json")).Exit);
    }

    [Fact]
    public async Task Wait_gives_up_when_its_time_is_over()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", "/nix/store/a");
        CliRun run = await CliRun.RunAsync("agent", "wait", "--spool", folder.Spool.Folder, "--timeout", "0.01", "--json");
        Assert.Equal((4, "TimedOut"), (run.Exit, run.Json.GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Of_two_agents_on_one_spool_the_second_is_refused()
    {
        using var folder = new SpoolFolder();
        using FileStream held = folder.Spool.TryLock()!;
        CliRun run = await CliRun.RunAsync("agent", "--repo", "a.example.org", "--spool", folder.Spool.Folder, "--json");
        Assert.Equal((2, "AgentRuns"), (run.Exit, run.Json.GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Mistakes_of_the_command_line_are_named()
    {
        Assert.Equal(2, (await CliRun.RunAsync("agent")).Exit);
        Assert.Equal(2, (await CliRun.RunAsync("hook")).Exit);
        Assert.Equal(2, (await CliRun.RunAsync("agent", "status", "--spool", "/nonexistent/spool")).Exit);
        CliRun key = await CliRun.RunAsync("agent", "--repo", "a.example.org", "--upstream-key", "nonsense");
        Assert.Equal(2, key.Exit);
        Assert.Contains("--upstream-key: \"nonsense\"", key.Error, StringComparison.Ordinal);
    }
}
