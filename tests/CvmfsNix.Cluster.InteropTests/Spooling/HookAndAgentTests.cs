using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.InteropTests.Publishing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Spooling;

/// <summary>What real Nix builds with the hook on arrives in the repository, exactly once, however often the agent is killed.</summary>
public sealed class HookAndAgentTests
{
    private static readonly bool s_fullSize = Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Everything_built_with_the_hook_on_arrives_once_although_the_agent_is_killed_again_and_again()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = new();
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Token);
        PublishedRepository repository = await PublishedRepository.CreateAsync(node, nix, "hook.example.org", "--store-directory", nix.StoreDirectory.Value);
        (string hook, string spool) = await HookAsync(nix);

        // An agent whose server takes connections and never answers is killed with its first batch on disk: the id outlives it.
        await BuildAsync(nix, hook, 2, "first");
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        string begun;
        using (AgentProcess stuck = AgentProcess.Start(nix, spool, $"http://{silent.LocalEndpoint}", repository.Name))
        {
            using TcpClient asked = await silent.AcceptTcpClientAsync(Token);
            begun = (await StatusAsync(spool)).GetProperty("transaction").GetString()!;
            await stuck.KillAsync(Token);
        }

        // Agents come and go while Nix builds.
        List<JsonElement> published = [];
        int count = s_fullSize ? 200 : 16, kills = 0;
        Task<StorePathName> build = BuildAsync(nix, hook, count, "second");
        while (true)
        {
            using AgentProcess agent = AgentProcess.Start(nix, spool, node.Grpc, repository.Name);
            if (build.IsCompleted || kills == 4)
            {
                await build;
                JsonElement waited = await CliAsync(["agent", "wait", "--spool", spool, "--timeout", "120"]);
                Assert.Equal(0, waited.GetProperty("setAside").GetArrayLength());
                published.AddRange(await ReportedAsync(agent, spool));
                break;
            }

            while (agent.Published.IsEmpty && !build.IsCompleted)
                await Task.Delay(10, Token);
            await agent.KillAsync(Token);
            published.AddRange(agent.Published);
            kills++;
        }

        StorePathName root = await build;
        JsonElement first = (await node.CliAsync(["status", "--repo", repository.Name, "--transaction", begun, "--json"], null, Token)).Json;
        Assert.Equal("committed", first.GetProperty("status").GetString());
        string[] ids = [.. published.Select(static one => one.GetProperty("transaction").GetString()!)];
        Assert.Equal(ids.Distinct(), ids);

        // One revision for each transaction that was applied; a kill may have kept an agent from reporting one.
        JsonElement shown = (await node.CliAsync(["repo", "show", repository.Name, "--json"], null, Token)).Json;
        int applied = published.Count(static one => one.GetProperty("status").GetString() == "committed");
        Assert.InRange(shown.GetProperty("revision").GetInt32() - 1, applied, applied + kills);

        // All of it is there, nothing is left, and nothing is held back from collection any more.
        JsonElement again = await repository.PublishAsync(nix.StoreDirectory.FullPath(root));
        Assert.Equal(("unchanged", 0), (again.GetProperty("status").GetString(), again.GetProperty("pathsNew").GetInt32()));
        Assert.Equal(count + 1, again.GetProperty("pathsPresent").GetInt32());
        Assert.Equal(count + 1 + 3, shown.GetProperty("paths").GetInt32());
        JsonElement status = await StatusAsync(spool);
        Assert.Equal((0, 0), (status.GetProperty("queued").GetInt32(), status.GetProperty("inFlight").GetInt32()));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Roots(nix)));
        await repository.VerifyAsync();
    }

    [Fact]
    public async Task The_hook_takes_little_longer_than_the_question_to_nix_that_it_has_to_ask()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = new();
        (string hook, string spool) = await HookAsync(nix);
        StorePathName built = await nix.BuildAsync("synth.nix", "--arg", "n", "1", "--argstr", "seed", "latency");
        string derivation = (await nix.LinesAsync("nix-store", "-q", "--deriver", nix.StoreDirectory.FullPath(built)))[0];
        Dictionary<string, string> environment = new(nix.Environment) { ["DRV_PATH"] = derivation, ["OUT_PATHS"] = "" };
        int count = s_fullSize ? 500 : 40;
        List<double> hooks = [], questions = [];
        for (int i = 0; i < count; i++)
        {
            questions.Add(await TimeAsync("nix-store", ["--query", "--outputs", derivation], environment));
            hooks.Add(await TimeAsync("/bin/sh", [hook], environment));
        }

        Assert.Equal(count, Directory.GetFiles(spool + "/new").Length);
        Assert.Equal(count, Directory.GetFileSystemEntries(Roots(nix)).Length);
        string line = string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"hook of {count} runs: p50 {Part(hooks, 0.5):0.0} ms, p99 {Part(hooks, 0.99):0.0} ms; nix-store --query --outputs alone: p50 {Part(questions, 0.5):0.0} ms, p99 {Part(questions, 0.99):0.0} ms");
        TestContext.Current.TestOutputHelper?.WriteLine(line);

        static double Part(List<double> times, double part) => times.Order().ElementAt((int)Math.Min(times.Count - 1, Math.Ceiling(times.Count * part)));
    }

    private static async Task<double> TimeAsync(string program, string[] arguments, Dictionary<string, string> environment)
    {
        long start = Stopwatch.GetTimestamp();
        (await ProgramRun.RunAsync(program, arguments, environment, Token)).Succeeded();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static string Roots(NixSandbox nix) => nix.Environment["NIX_STATE_DIR"] + "/gcroots/cvmfsnix";

    private static Task<StorePathName> BuildAsync(NixSandbox nix, string hook, int count, string seed) =>
        nix.BuildAsync("synth.nix", "--arg", "n", $"{count}", "--argstr", "seed", seed, "--option", "post-build-hook", hook);

    private static async Task<JsonElement> CliAsync(string[] arguments) =>
        (await ProgramRun.RunAsync(BuiltProgram.Cli, [.. arguments, "--json"], cancellationToken: Token)).Json;

    private static Task<JsonElement> StatusAsync(string spool) => CliAsync(["agent", "status", "--spool", spool]);

    // The agent clears the spool first and reports then.
    private static async Task<IEnumerable<JsonElement>> ReportedAsync(AgentProcess agent, string spool)
    {
        long expected = (await StatusAsync(spool)).GetProperty("committedTransactions").GetInt64();
        while (agent.Published.Count < expected)
            await Task.Delay(10, Token);
        return agent.Published;
    }

    private static async Task<(string Hook, string Spool)> HookAsync(NixSandbox nix)
    {
        string folder = Path.GetDirectoryName(nix.StoreDirectory.Value)!;
        string hook = folder + "/hook.sh", spool = folder + "/the spool";
        ProgramRun printed = await ProgramRun.RunAsync(BuiltProgram.Cli, ["hook", "--print", "--spool", spool], cancellationToken: Token);
        await File.WriteAllBytesAsync(hook, printed.Succeeded().Bytes, Token);
        File.SetUnixFileMode(hook, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return (hook, spool);
    }
}
