using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Deploy;

/// <summary>The files a site installs, each read by the program it is for.</summary>
public sealed class DeployFilesTests
{
    private const int CannotRun = 77;

    [Theory]
    [InlineData("systemd")]
    [InlineData("nginx")]
    [InlineData("squid")]
    [InlineData("prometheus")]
    [InlineData("grafana")]
    [InlineData("nixos")]
    [InlineData("yaml")]
    public async Task A_file_is_accepted_by_the_program_it_is_for(string what)
    {
        string work = Directory.CreateTempSubdirectory("cvmfsnix-deploy-").FullName;
        try
        {
            ProgramRun run = await ProgramRun.RunAsync(
                "bash", [DeployScript.Named("files.sh"), what, work, DeployScript.Top], null, TestContext.Current.CancellationToken);
            Assert.SkipWhen(run.ExitCode == CannotRun, run.Output.Trim());
            run.Succeeded();
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }
}
