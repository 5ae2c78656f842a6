using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>Clocks that are wrong, and time that has run out.</summary>
public sealed class ClockTests
{
    private const string Repository = "clock.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact(Skip = "at full size only: every run has the rule on a clock that the test sets", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public async Task A_node_whose_clock_is_more_than_an_hour_behind_commits_nothing_until_it_is_set()
    {
        await using var run = await ClockRun.StartAsync("behind");
        run.Clock.Shift(TimeSpan.FromMinutes(-30));
        Assert.Equal("committed", (await run.PublishAsync("half an hour is an alarm only")).GetProperty("status").GetString());

        run.Clock.Shift(TimeSpan.FromHours(-2));
        await Readiness.AwaitProblemAsync(run.Node, Repository, "an hour or more before", Ct);
        ServedState before = ServedState.Read(run.Data, Repository);
        var refusal = new Refusal(1, "ClockSkew", Repository, "The clock of this node says", "an hour or more before");
        string[] publish = await run.PublishArgumentsAsync("refused");
        await refusal.OfAsync([.. publish, "--server", run.Node.Addresses.Grpc], run.Clock.Environment, Ct);
        // A builder whose own clock is right is not told that it is wrong.
        await refusal.OfAsync(run.Node.Addresses, publish, Ct);
        before.AssertUnchanged(run.Data, Repository);

        await run.RestartUnreadyAsync();
        await Readiness.AwaitProblemAsync(run.Node, Repository, "an hour or more before", Ct);
        before.AssertUnchanged(run.Data, Repository);

        run.Clock.Shift(TimeSpan.Zero);
        await Readiness.AwaitReadyAsync(run.Node, Ct);
        Assert.Equal("committed", (await run.PublishAsync("accepted")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task An_expired_whitelist_is_refused_by_readers_and_told_by_the_node_until_the_master_key_comes()
    {
        await using var run = await ClockRun.StartAsync("expired");
        string master = Path.Combine(run.Data, "keys", Repository + ".masterkey");
        File.Move(master, master + ".offline");
        await run.RestartAsync();

        run.Clock.Shift(TimeSpan.FromDays(25));
        CliResult status = await CliProcess.RunAsync(run.Node.Addresses, ["status"], Ct);
        Assert.Contains("expires at", status.Document.GetProperty("repositories")[0].GetProperty("warning").GetString());
        await Readiness.AwaitReadyAsync(run.Node, Ct);

        run.Clock.Shift(TimeSpan.FromDays(31));
        await Readiness.AwaitProblemAsync(run.Node, Repository, "expired at", Ct);
        ServedState before = ServedState.Read(run.Data, Repository);
        await new Refusal(1, "WhitelistExpired", Repository, "expired at", "clients refuse").OfAsync(
            [.. await run.PublishArgumentsAsync("refused"), "--server", run.Node.Addresses.Grpc], run.Clock.Environment, Ct);
        string[] read = ["--url", $"{run.Node.Addresses.Http}/cvmfs/{Repository}", "--pubkey", Path.Combine(run.Data, "keys", Repository + ".pub")];
        var untrusted = new Refusal(1, "NotTrusted", Repository, "whitelist", "expired");
        await untrusted.OfAsync(["ls", "/nix/store", .. read], run.Clock.Environment, Ct);
        await untrusted.OfAsync(["cat", "/nix/store", .. read], run.Clock.Environment, Ct);
        string copy = Path.Combine(run.Data, "..", "copy");
        await untrusted.OfAsync(["get", "/nix/store", copy, .. read], run.Clock.Environment, Ct);
        Assert.False(Path.Exists(copy));
        before.AssertUnchanged(run.Data, Repository);

        File.Move(master + ".offline", master);
        await Readiness.AwaitReadyAsync(run.Node, Ct);
        Assert.Equal("committed", (await run.PublishAsync("accepted")).GetProperty("status").GetString());
        Assert.Equal(0, (await ProgramRun.RunAsync(BuiltProgram.Cli, ["ls", "/nix/store", .. read], run.Clock.Environment, Ct)).ExitCode);
    }

    // A node and its builders in one other time.
    private sealed class ClockRun : IAsyncDisposable
    {
        private readonly Scratch _scratch;
        private readonly SyntheticStore _store;

        private ClockRun(Scratch scratch, ShiftedClock clock)
        {
            _scratch = scratch;
            Clock = clock;
            _store = new SyntheticStore(scratch["store"]);
        }

        public ShiftedClock Clock { get; }

        public string Data => _scratch["data"];

        public NodeProcess Node { get; private set; } = null!;

        private NodeSettings Settings => new(Data) { Environment = Clock.Environment };

        public static async Task<ClockRun> StartAsync(string name)
        {
            var scratch = new Scratch(name);
            var run = new ClockRun(scratch, await ShiftedClock.CompileAsync(scratch.Folder, Ct));
            run.Node = await NodeProcess.StartAsync(run.Settings, Ct);
            await CreatedRepository.CreateAsync(run.Node.Addresses, Repository, Ct);
            return run;
        }

        public async Task RestartAsync()
        {
            await Node.StopAsync(Ct);
            Node = await NodeProcess.StartAsync(Settings with { Addresses = Node.Addresses }, Ct);
        }

        public async Task RestartUnreadyAsync()
        {
            await Node.StopAsync(Ct);
            Node = NodeProcess.StartUnready(Settings with { Addresses = Node.Addresses });
        }

        public async Task<string[]> PublishArgumentsAsync(string name)
        {
            PathInfo path = await _store.AddAsync(name, name, [], files: 9, fileBytesMax: 600, Ct);
            _store.Register();
            return ["publish", "--repo", Repository, SyntheticStore.FullPath(path.Path), .. _store.Arguments];
        }

        public async Task<System.Text.Json.JsonElement> PublishAsync(string name)
        {
            string[] arguments = await PublishArgumentsAsync(name);
            return (await ProgramRun.RunAsync(BuiltProgram.Cli, [.. arguments, "--json", "--server", Node.Addresses.Grpc], Clock.Environment, Ct)).Json;
        }

        public async ValueTask DisposeAsync()
        {
            await Node.DisposeAsync();
            _scratch.Dispose();
        }
    }
}
