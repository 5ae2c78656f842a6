using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>A node whose data folder lies on a small file system of its own, which is then filled.</summary>
public sealed class FullDiskTests
{
    private const string Repository = "full.example.org";
    private const long DiskBytes = 400L << 20;

    // Below the node's own headroom.
    private const long BelowHeadroomBytes = 100L << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_headroom_uploads_are_refused_commits_go_on_and_nothing_is_lost()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can mount a small file system for a node");
        using var scratch = new Scratch("full");
        Directory.CreateDirectory(scratch["disk"]);
        ProgramRun possible = await ProgramRun.RunAsync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", scratch["disk"]], null, Ct);
        Assert.SkipUnless(possible.ExitCode == 0, $"no file system can be mounted here: {possible.Errors}");
        await using NodeProcess node = await NodeProcess.StartAsync(
            new NodeSettings(Path.Combine(scratch["disk"], "data"))
            {
                Launcher = ["unshare", "-m", "sh", "-c", $"mount -t tmpfs -o size={DiskBytes} tmpfs '{scratch["disk"]}' && exec \"$0\" \"$@\""],
            },
            Ct);

        // The mount exists for the node only.
        string disk = $"/proc/{node.Id}/root{scratch["disk"]}";
        string data = Path.Combine(disk, "data");
        CreatedRepository created = await CreatedRepository.CreateAsync(node.Addresses, Repository, Ct);
        var store = new SyntheticStore(scratch["store"]);
        PathInfo first = await store.AddAsync("before", "before", [], files: 9, fileBytesMax: 2000, Ct);
        PathInfo files = await store.AddAsync("with files", "with files", [], files: 9, fileBytesMax: 2000, Ct);
        PathInfo links = await store.AddAsync("links only", "links only", [first.Path], files: 0, fileBytesMax: 1, Ct);
        store.Register();
        Assert.Equal("committed", (await CliProcess.RunAsync(node.Addresses, Publish(first), Ct)).Document.GetProperty("status").GetString());
        ServedState before = ServedState.Read(data, Repository);

        string filler = Path.Combine(disk, "filler");
        Fill(filler, leave: BelowHeadroomBytes);
        string transaction = Guid.CreateVersion7().ToString();
        await new Refusal(4, "DiskFull", transaction, "disk").OfAsync(node.Addresses, [.. Publish(files), "--transaction", transaction, "--timeout", "25"], Ct);
        before.AssertUnchanged(data, Repository);

        // What needs no upload may still be committed: the headroom is for that.
        Assert.Equal("committed", (await CliProcess.RunAsync(node.Addresses, Publish(links), Ct)).Document.GetProperty("status").GetString());

        // Space comes back: the same commands succeed, without the node having been started again.
        File.Delete(filler);
        Assert.Equal("committed", (await CliProcess.RunAsync(node.Addresses, [.. Publish(files), "--transaction", transaction], Ct)).Document.GetProperty("status").GetString());
        string key = scratch["key.pub"];
        File.WriteAllText(key, created.PublicKey);
        ProgramRun listing = await ProgramRun.RunAsync(
            BuiltProgram.Cli, ["ls", "/nix/store", "--url", $"{node.Addresses.Http}/cvmfs/{Repository}", "--pubkey", key], null, Ct);
        Assert.Equal(0, listing.ExitCode);
        Assert.All([first, files, links], p => Assert.Contains(p.Path.Value, listing.Output));

        string[] Publish(PathInfo path) => ["publish", "--repo", Repository, SyntheticStore.FullPath(path.Path), .. store.Arguments];
    }

    // Writes until only so much is left.
    private static void Fill(string file, long leave)
    {
        using var stream = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var block = new byte[64 << 10];
        while (new DriveInfo(file).AvailableFreeSpace > leave)
            stream.Write(block);
    }
}
