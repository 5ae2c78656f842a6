using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Deploy;

/// <summary>
/// The compose file really runs: compose.sh starts it on a container engine of its own, with stand-ins for the images, kills the leader's
/// container between two publishes, and has both mirrors checked object by object.
/// </summary>
public sealed class ComposeTests
{
    private const int CannotRun = 77;

    [Fact]
    public async Task The_compose_file_runs_publishes_survives_its_leader_and_feeds_both_mirrors()
    {
        string work = Directory.CreateTempSubdirectory("cvmfsnix-compose-").FullName;
        try
        {
            ProgramRun run = await ProgramRun.RunAsync(
                "bash", [DeployScript.Named("compose.sh"), work, DeployScript.Top], null, TestContext.Current.CancellationToken);
            Assert.SkipWhen(run.ExitCode == CannotRun, run.Output.Trim());
            TestContext.Current.TestOutputHelper?.WriteLine(run.Output);
            run.Succeeded();
            Assert.Contains("both Stratum 1 complete", run.Output, StringComparison.Ordinal);
            Assert.EndsWith("down, nothing left", run.Output.Trim(), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }
}
