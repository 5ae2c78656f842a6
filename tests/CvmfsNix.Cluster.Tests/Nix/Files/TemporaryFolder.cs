using System.Diagnostics;
using CvmfsNix.Cluster.Nix.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Files;

/// <summary>A folder that may hold names .NET cannot name; the shell makes and removes them.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cvmfsnix-tree-").FullName;

    public byte[] Bytes => DiskPath.FromText(Path);

    /// <summary>Runs a shell script in the folder.</summary>
    public void Run(string script)
    {
        ProcessStartInfo start = new("/bin/sh") { WorkingDirectory = Path };
        start.ArgumentList.Add("-ec");
        start.ArgumentList.Add(script);
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    public void Dispose()
    {
        using Process process = Process.Start("rm", ["-rf", Path]);
        process.WaitForExit();
    }
}
