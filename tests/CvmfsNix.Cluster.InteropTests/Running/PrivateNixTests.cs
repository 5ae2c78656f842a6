using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Running;

/// <summary>Programs of a store that lies anywhere run for an ordinary user of a machine that has no <c>/nix</c>.</summary>
public sealed class PrivateNixTests(ProgramClosure closure) : IClassFixture<ProgramClosure>
{
    [Theory]
    [InlineData("namespace")]
    [InlineData("proot")]
    public async Task A_program_runs_whose_interpreter_and_loader_and_data_lie_in_the_store(string way)
    {
        SkipWithout(way);
        ProgramRun none = await closure.AsUserWithoutNixAsync("run", "--repo-dir", closure.Folder, "--way", way, "--", closure.App);
        Assert.Equal((0, "greetings from the store\n", ""), (none.ExitCode, none.Output, none.Errors));

        ProgramRun words = await closure.AsUserWithoutNixAsync("run", "--repo-dir", closure.Folder, "--way", way, "--", closure.App, "two words", "", "--json");
        Assert.Equal((7, "greetings from the store\n[two words]\n[]\n[--json]\n"), (words.ExitCode, words.Output));
    }

    [Theory]
    [InlineData("namespace")]
    [InlineData("proot")]
    public async Task Inside_nix_lists_and_verifies_the_store(string way)
    {
        SkipWithout(way);
        string path = closure.App[..^"/bin/app".Length];
        ProgramRun run = await closure.AsUserWithoutNixAsync("run", "--repo-dir", closure.Folder, "--store", "--way", way, "--", "sh", "-ec", $"""
            nix-store -qR {path}
            nix --extra-experimental-features nix-command store verify -r --no-trust {path}
            nix-store --verify --check-contents
            """);
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(closure.Closure.Select(static one => $"/nix/store/{one}"), run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("error", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_directory_environment_and_signals_are_those_of_the_caller()
    {
        ProgramRun run = await closure.AsUserWithoutNixAsync("run", "--repo-dir", closure.Folder, "--", "sh", "-c", "id -u; pwd; echo $GREETING; ls -d /nix /tmp /proc/self; grep SigIgn /proc/self/status; kill -TERM $$");
        int user = Environment.IsPrivilegedProcess ? 65534 : int.Parse((await ProgramRun.RunAsync("id", ["-u"], cancellationToken: TestContext.Current.CancellationToken)).Output);
        // Whoever starts the tests in the background of a shell lets them ignore the signals of the keyboard. A broken pipe ends programs, whatever the runtime does.
        string inherited = (await ProgramRun.RunAsync("grep", ["SigIgn", "/proc/self/status"], cancellationToken: TestContext.Current.CancellationToken)).Output.Trim();
        const ulong BrokenPipe = 1UL << 12;
        string ignored = $"SigIgn:\t{Convert.ToUInt64(inherited.Split('\t')[1], 16) & ~BrokenPipe:x16}";
        Assert.Equal(
            [$"{user}", Path.GetTempPath().TrimEnd('/'), "from outside", "/nix", "/proc/self", "/tmp", ignored],
            run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(143, run.ExitCode);
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_127()
    {
        ProgramRun run = await closure.AsUserWithoutNixAsync("run", "--repo-dir", closure.Folder, "--", "/nix/store/none/bin/none");
        Assert.Equal(127, run.ExitCode);
        Assert.Contains("/nix/store/none/bin/none", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nothing_is_allowed_the_setting_that_forbids_it_is_named()
    {
        ProgramRun run = await closure.WhereNamespacesAreForbiddenAsync("run", "--repo-dir", closure.Folder, "--way", "namespace", "--", "true");
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("NoPrivateNix", run.Errors, StringComparison.Ordinal);
        Assert.Contains("user.max_user_namespaces", run.Errors, StringComparison.Ordinal);
    }

    private static void SkipWithout(string way) =>
        Assert.SkipUnless(way != "proot" || File.Exists("/usr/bin/proot"), "proot is not installed (apt-get install proot)");
}
