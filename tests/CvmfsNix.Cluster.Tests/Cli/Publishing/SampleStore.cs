using System.Text.Json;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

/// <summary>A small closure on disk with its registration, made by the command line itself, removed on disposal.</summary>
internal sealed class SampleStore : IDisposable
{
    private SampleStore(string folder, JsonElement closure)
    {
        Folder = folder;
        Top = closure.GetProperty("path").GetString()!;
        Paths = [.. closure.GetProperty("paths").EnumerateArray().Select(p => p.GetString()!)];
    }

    public string Folder { get; }

    /// <summary>The path that refers to all others.</summary>
    public string Top { get; }

    public IReadOnlyList<string> Paths { get; }

    /// <summary>The switches that make a publish read this store.</summary>
    public string[] Switches => ["--store-root", Folder, "--registration", Path.Combine(Folder, "registration")];

    public static async Task<SampleStore> MakeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-test-").FullName;
        CliRun run = await CliRun.RunAsync("dev", "make-closure", folder, "--json");
        Assert.Equal(0, run.Exit);
        return new SampleStore(folder, run.Json);
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
