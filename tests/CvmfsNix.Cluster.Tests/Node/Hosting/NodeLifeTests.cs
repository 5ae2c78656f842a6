using System.Collections;
using System.Net;
using System.Text.Json;
using CvmfsNix.Cluster.Node;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Management;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

public sealed class NodeLifeTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Version_and_help_need_nothing_and_a_wrong_command_line_exits_2_and_prints_no_result()
    {
        Assert.Equal((ExitCodes.Done, true), await RunAsync("--version"));
        Assert.Equal((ExitCodes.Done, true), await RunAsync("--help"));
        Assert.Equal((ExitCodes.WrongUsage, false), await RunAsync("--nonsense", "--http", "x"));
        Assert.Equal((ExitCodes.WrongUsage, false), await RunAsync("--roles", "stratum1"));
    }

    [Fact]
    public async Task Ready_is_said_once_with_real_ports_and_the_node_file_goes_on_a_clean_stop()
    {
        await using TestNode node = await TestNode.StartAsync();
        string file = DataFolder.NodeFile(node.Data);
        while (!File.Exists(file) || node.Output.ToString().Length == 0)
            await Task.Yield();

        string line = Assert.Single(node.Output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("READY {\"pid\":", line);
        Assert.Equal(line["READY ".Length..].TrimEnd(), (await File.ReadAllTextAsync(file, Ct)).TrimEnd());
        ReadyDocument document = ReadyDocument.TryRead(file)!;
        Assert.Equal(node.Http.BaseAddress, new Uri(document.Http));
        Assert.Equal((Environment.ProcessId, node.Core.Address), (document.Pid, document.Address));
        Assert.Equal(ExitCodes.Done, await HealthCheck.RunAsync(["--data", node.Data], TextWriter.Null));

        await node.StopAsync();
        Assert.False(File.Exists(file));
        Assert.Equal(ExitCodes.No, await HealthCheck.RunAsync(["--data", node.Data], TextWriter.Null));
    }

    [Fact]
    public async Task The_management_port_tells_life_readiness_and_status()
    {
        await using TestNode node = await TestNode.StartAsync();
        Assert.Equal("alive\n", await node.Management.GetStringAsync("/alive", Ct));
        Assert.Equal(HttpStatusCode.OK, (await node.Management.GetAsync("/ready", Ct)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await node.Management.GetAsync("/nothing", Ct)).StatusCode);

        node.Core.IsReady = false;
        using HttpResponseMessage response = await node.Management.GetAsync("/ready", Ct);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("the journal does not answer\n", await response.Content.ReadAsStringAsync(Ct));
        var errors = new StringWriter();
        Assert.Equal(ExitCodes.No, await HealthCheck.RunAsync(["--management", node.Management.BaseAddress!.ToString()], errors));
        Assert.Contains("the journal does not answer", errors.ToString());

        using JsonDocument status = JsonDocument.Parse(await node.Management.GetStringAsync("/status", Ct));
        Assert.Equal(
            """{"node":"akka.tcp://cvmfsnix@127.0.0.1:8110","roles":["core","stratum0"],"leader":"akka.tcp://cvmfsnix@127.0.0.1:8110","epoch":7,"members":[{"address":"akka.tcp://cvmfsnix@127.0.0.1:8110","roles":["core","stratum0"],"status":"Up","reachable":true}],"repositories":[{"repository":"test.example.org","revision":1,"rootHash":"ab","queued":1,"inFlight":2,"openTransactions":3,"problem":null,"warning":"the whitelist expires soon"}],"replicas":[]}""",
            status.RootElement.GetRawText());
    }

    [Fact]
    public void A_data_folder_belongs_to_one_holder_and_what_was_staged_is_gone()
    {
        using var folder = new TestFolder();
        folder.Write("meta/a.example.org/staging/x/y", "left over");
        folder.Write("cvmfs/a.example.org/data/txn/z", "left over");
        folder.Write("cvmfs/a.example.org/data/ab/cd", "stays");
        folder.Write("node.json", "stale");

        using (DataFolder held = DataFolder.Open(folder.Path))
        {
            DataFolderException e = Assert.Throws<DataFolderException>(() => DataFolder.Open(folder.Path));
            Assert.Contains($"process {Environment.ProcessId};", e.Message);
        }

        using DataFolder again = DataFolder.Open(folder.Path);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(folder.Path, "meta/a.example.org/staging")));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(folder.Path, "cvmfs/a.example.org/data/txn")));
        Assert.True(File.Exists(Path.Combine(folder.Path, "cvmfs/a.example.org/data/ab/cd")));
        Assert.False(File.Exists(DataFolder.NodeFile(folder.Path)));
    }

    [Fact]
    public void The_admin_token_is_made_once_for_its_user_only()
    {
        using var folder = new TestFolder();
        string keys = Path.Combine(folder.Path, "keys");
        string first = AdminToken.LoadOrCreate(keys);
        Assert.Equal(first, AdminToken.LoadOrCreate(keys));
        Assert.Equal(64, first.Length);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(keys, AdminToken.FileName)));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("Bearer correct-horse", true)]
    [InlineData("bearer correct-horse", true)]
    [InlineData("Bearer correct-horse2", false)]
    [InlineData("Bearer ", false)]
    [InlineData("correct-horse", false)]
    public void Only_a_known_token_opens(string? authorization, bool admitted)
    {
        using var folder = new TestFolder();
        string file = folder.Write("tokens", "# builders\n\ncorrect-horse\nbattery-staple\n");
        Assert.Equal(admitted, AccessTokens.Of(AccessTokens.ReadFile(file)).Find(Bearer.TokenOf(authorization))?.Allows(new Need(NeedKind.Admin)) == true);
        Assert.False(AccessTokens.Off.Required);
        Assert.Throws<InvalidDataException>(() => AccessTokens.ReadFile(folder.Write("none", "# nothing\n")));
        Assert.Throws<InvalidDataException>(() => AccessTokens.ReadFile(folder.Write("odd", "two words\n")));
    }

    private static async Task<(int Exit, bool Printed)> RunAsync(params string[] arguments)
    {
        var (output, errors) = (new StringWriter(), new StringWriter());
        int exit = await NodeProgram.RunAsync(arguments, new Hashtable(), output, errors);
        Assert.NotEqual(output.ToString().Length > 0, errors.ToString().Length > 0);
        return (exit, output.ToString().Length > 0);
    }
}
