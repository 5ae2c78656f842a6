using CvmfsNix.Cluster.Cli.Spooling;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Spooling;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class HookScriptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-hook-").FullName;

    [Fact]
    public async Task An_entry_is_whole_and_names_paths_and_roots()
    {
        var spool = new Spool(_folder + "/a 'spool' of $odd \"name\" `x`");
        ProgramRun run = await RunAsync(spool, strict: false, outPaths: "/nix/store/one /nix/store/two");

        Assert.Equal((0, "", ""), (run.ExitCode, run.Output, run.Errors));
        string name = Assert.Single(spool.Waiting().New);
        SpoolEntry entry = spool.Read(name)!;
        Assert.Equal("/nix/store/x.drv", entry.Derivation);
        Assert.Equal(["/nix/store/one", "/nix/store/two"], entry.Paths);
        Assert.Equal(["/nix/store/one", "/nix/store/two"], entry.Roots.Select(static root => new FileInfo(root).LinkTarget));
        Assert.All(entry.Roots, root => Assert.StartsWith($"{_folder}/state/gcroots/cvmfsnix/{name}-", root, StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(spool.Folder + "/tmp"));
    }

    [Fact]
    public async Task Without_paths_nix_is_asked_and_only_what_is_there_is_taken()
    {
        string there = _folder + "/there";
        File.WriteAllText(there, "");
        File.WriteAllText(_folder + "/bin-nix-store", $"#!/bin/sh\n[ \"$*\" = '--query --outputs /nix/store/x.drv' ] || exit 9\necho {there}\necho {_folder}/not-there\n");
        var spool = new Spool(_folder + "/spool");

        ProgramRun run = await RunAsync(spool, strict: false, outPaths: "");

        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        Assert.Equal([there], spool.Read(Assert.Single(spool.Waiting().New))!.Paths);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public async Task A_failure_is_said_and_stops_the_build_only_where_that_is_asked_for(bool strict, int exit)
    {
        File.WriteAllText(_folder + "/file", "");
        ProgramRun run = await RunAsync(new Spool(_folder + "/file/spool"), strict, "/nix/store/one");
        Assert.Equal(exit, run.ExitCode);
        Assert.Contains("/nix/store/x.drv is not published", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_prints_it()
    {
        CliRun run = await CliRun.RunAsync("hook", "--print", "--spool", "/srv/spool");
        Assert.Equal(0, run.Exit);
        Assert.StartsWith("#!/bin/sh\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("spool=${CVMFSNIX_SPOOL:-\"/srv/spool\"}\n", run.Output, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<ProgramRun> RunAsync(Spool spool, bool strict, string outPaths)
    {
        string hook = _folder + "/hook.sh", tools = Directory.CreateDirectory(_folder + "/bin").FullName;
        await File.WriteAllTextAsync(hook, HookScript.For(spool.Folder, strict), TestContext.Current.CancellationToken);
        if (File.Exists(_folder + "/bin-nix-store"))
        {
            File.Move(_folder + "/bin-nix-store", tools + "/nix-store");
            File.SetUnixFileMode(tools + "/nix-store", UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        return await ProgramRun.RunAsync(
            "/bin/sh",
            [hook],
            new Dictionary<string, string>
            {
                ["DRV_PATH"] = "/nix/store/x.drv",
                ["OUT_PATHS"] = outPaths,
                ["NIX_STATE_DIR"] = _folder + "/state",
                ["PATH"] = tools + ":/usr/bin:/bin",
            },
            TestContext.Current.CancellationToken);
    }
}
