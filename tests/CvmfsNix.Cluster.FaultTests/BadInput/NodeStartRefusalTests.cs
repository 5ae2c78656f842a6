using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>What keeps a node from starting: one line each, exit code 2, and the data folder as it was.</summary>
public sealed class NodeStartRefusalTests
{
    private const string Repository = "start.example.org";
    private const string Nobody = "65534";

    private static readonly string[] Ports = ["http", "grpc", "management", "remoting"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("http")]
    [InlineData("grpc")]
    [InlineData("management")]
    [InlineData("remoting")]
    public async Task A_port_in_use(string port)
    {
        using var scratch = new Scratch("port");
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        string address = holder.LocalEndpoint.ToString()!;
        await RefusesAsync(scratch["data"], [$"--{port} {address}: the port is in use"], (port, address));
    }

    [Fact]
    public async Task All_ports_in_use_are_told_at_once()
    {
        using var scratch = new Scratch("ports");
        await using NodeProcess running = await NodeProcess.StartAsync(new NodeSettings(scratch["running"]), Ct);
        string[] addresses = [.. new[] { running.Addresses.Http, running.Addresses.Grpc, running.Addresses.Management, running.Addresses.Remoting }
            .Select(a => a[(a.LastIndexOfAny(['/', '@']) + 1)..])];
        await RefusesAsync(scratch["data"], [.. Ports.Zip(addresses, (p, a) => $"--{p} {a}: the port is in use")], [.. Ports.Zip(addresses)]);
    }

    [Fact]
    public async Task An_address_of_another_machine()
    {
        using var scratch = new Scratch("address");
        await RefusesAsync(scratch["data"], ["--http 192.0.2.1:0: this machine has no such address"], [("http", "192.0.2.1:0")], ["--insecure"]);
    }

    [Fact]
    public async Task A_data_folder_that_another_node_uses()
    {
        using var scratch = new Scratch("lock");
        await using NodeProcess running = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), Ct);
        await CreatedRepository.CreateAsync(running.Addresses, Repository, Ct);
        ServedState before = ServedState.Read(scratch["data"], Repository);
        await RefusesAsync(scratch["data"], [$"{scratch["data"]} is in use by the process {running.Id};"]);
        before.AssertUnchanged(scratch["data"], Repository);
        Assert.True(File.Exists(Path.Combine(scratch["data"], "node.json")));
        await Readiness.AwaitReadyAsync(running, Ct);
    }

    [Fact]
    public async Task A_data_folder_that_is_a_file()
    {
        using var scratch = new Scratch("file");
        File.WriteAllText(scratch["data"], "mine");
        await RefusesAsync(scratch["data"], [scratch["data"]]);
        Assert.Equal("mine", File.ReadAllText(scratch["data"]));
    }

    [Fact]
    public async Task A_journal_that_is_none()
    {
        using var scratch = new Scratch("journal");
        Directory.CreateDirectory(scratch["data"]);
        string journal = Path.Combine(scratch["data"], "journal.db");
        File.WriteAllText(journal, "this is no database, and it is long enough to be taken for one " + new string('x', 2000));
        await RefusesAsync(scratch["data"], [journal]);
    }

    [Theory]
    [InlineData(".key")]
    [InlineData(".crt")]
    [InlineData(".pub")]
    [InlineData(".masterkey")]
    [InlineData(".nix.sec")]
    public async Task A_key_file_with_garbage(string suffix)
    {
        using var scratch = new Scratch("garbage");
        string key = await StoppedNodeAsync(scratch, suffix);
        File.WriteAllText(key, "garbage");
        await RefusesAsync(scratch["data"], [key]);
    }

    [Fact]
    public async Task A_key_that_is_a_folder()
    {
        using var scratch = new Scratch("folder");
        string key = await StoppedNodeAsync(scratch, ".key");
        File.Delete(key);
        Directory.CreateDirectory(key);
        await RefusesAsync(scratch["data"], [key]);
    }

    [Fact]
    public async Task A_key_of_another_repository()
    {
        using var scratch = new Scratch("other");
        string key = await StoppedNodeAsync(scratch, ".key", "other.example.org");
        File.Copy(key.Replace(Repository, "other.example.org", StringComparison.Ordinal), key, overwrite: true);
        await RefusesAsync(scratch["data"], [key + " is not the private key of"]);
    }

    [Fact]
    public async Task A_key_that_its_user_may_not_read()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can start a node as another user");
        Assert.SkipUnless(await IsReadableByOthersAsync(), "the built programs lie where other users cannot read them");
        using var scratch = new Scratch("unreadable");
        string key = await StoppedNodeAsync(scratch, ".key");
        await RunAsync("chmod", "755", scratch.Folder);
        await RunAsync("chown", "-R", Nobody, scratch["data"]);
        await RunAsync("chown", "0", key);
        await RefusesAsync(scratch["data"], [key + " cannot be read by the user"], launcher: AsNobody);

        // The operator's token is such a file too.
        await RunAsync("chown", Nobody, key);
        string token = Path.Combine(scratch["data"], "keys", "admin.token");
        await RunAsync("chown", "0", token);
        await RefusesAsync(scratch["data"], [token + " cannot be read"], launcher: AsNobody);
    }

    [Fact]
    public async Task A_key_that_is_not_there_makes_a_node_that_is_not_ready_until_it_comes()
    {
        using var scratch = new Scratch("absent");
        NodeAddresses addresses;
        await using (NodeProcess first = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), Ct))
        {
            addresses = first.Addresses;
            await CreatedRepository.CreateAsync(addresses, Repository, Ct);
            await first.StopAsync(Ct);
        }

        string key = Path.Combine(scratch["data"], "keys", Repository + ".key");
        File.Move(key, key + ".away");
        await using NodeProcess node = NodeProcess.StartUnready(new NodeSettings(scratch["data"]) { Addresses = addresses });
        await Readiness.AwaitProblemAsync(node, Repository, $"The keys of {Repository} that sign now are not in", Ct);
        var store = new Closures.SyntheticStore(scratch["store"]);
        var path = await store.AddAsync("refused", "refused", [], files: 3, fileBytesMax: 500, Ct);
        store.Register();
        ServedState before = ServedState.Read(scratch["data"], Repository);
        string[] publish = ["publish", "--repo", Repository, Closures.SyntheticStore.FullPath(path.Path), .. store.Arguments];
        await new Refusal(1, "KeysMissing", Repository, "are not in").OfAsync(node.Addresses, publish, Ct);
        before.AssertUnchanged(scratch["data"], Repository);

        File.Move(key + ".away", key);
        await Readiness.AwaitReadyAsync(node, Ct);
        Assert.Equal("committed", (await CliProcess.RunAsync(node.Addresses, publish, Ct)).Document.GetProperty("status").GetString());
    }

    private static string[] AsNobody => ["setpriv", $"--reuid={Nobody}", $"--regid={Nobody}", "--clear-groups"];

    /// <summary>A node that made a repository and was stopped; the path of one of its key files.</summary>
    private static async Task<string> StoppedNodeAsync(Scratch scratch, string suffix, params string[] further)
    {
        await using NodeProcess node = await NodeProcess.StartAsync(new NodeSettings(scratch["data"]), Ct);
        foreach (string repository in (string[])[Repository, .. further])
            await CreatedRepository.CreateAsync(node.Addresses, repository, Ct);
        Assert.Equal(0, await node.StopAsync(Ct));
        return Path.Combine(scratch["data"], "keys", Repository + suffix);
    }

    private static Task RefusesAsync(string data, string[] lines, params (string Port, string Address)[] taken) => RefusesAsync(data, lines, taken, []);

    private static async Task RefusesAsync(string data, string[] lines, (string Port, string Address)[]? taken = null, string[]? switches = null, string[]? launcher = null)
    {
        string[] program = [.. launcher ?? [], BuiltProgram.Node];
        string Of(string port) => taken?.FirstOrDefault(t => t.Port == port).Address ?? "127.0.0.1:0";
        ProgramRun run = await ProgramRun.RunAsync(
            program[0], [.. program[1..], "--data", data, .. Ports.SelectMany(p => (string[])[$"--{p}", Of(p)]), .. switches ?? []], null, Ct);
        Assert.True(run.ExitCode == 2, $"exit code {run.ExitCode}\n{run.Output}\n{run.Errors}");
        Assert.Empty(run.Output);
        string[] said = run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(said.Length == lines.Length, run.Errors);
        Assert.All(Enumerable.Range(0, lines.Length), i => Assert.Contains(lines[i], said[i]));
        Assert.All(said, line => Assert.StartsWith("cvmfsnix-node: ", line));
        Assert.False(File.Exists(Path.Combine(data, "node.json")) && taken is not null);
    }

    private static async Task<bool> IsReadableByOthersAsync() =>
        (await ProgramRun.RunAsync(AsNobody[0], [.. AsNobody[1..], BuiltProgram.Node, "--version"], null, Ct)).ExitCode == 0;

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        await process.WaitForExitAsync(Ct);
        Assert.Equal(0, process.ExitCode);
    }
}
