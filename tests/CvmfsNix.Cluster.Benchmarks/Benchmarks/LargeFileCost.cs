using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.Benchmarks.Ingesting;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.Benchmarks.Running;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Benchmarks;

/// <summary>One huge file through the command and the node: what memory either takes for it.</summary>
internal sealed class LargeFileCost : Benchmark
{
    private const string Repository = "large.example.org";
    private const int BlockBytes = 1 << 20;

    public override string Name => "large-file";

    public override string Description => "peak memory of command and node for one file of 8 GiB, beside one of 64 MiB; about 5 min, 20 GiB of disk";

    public override IReadOnlyDictionary<string, string> Options => new Dictionary<string, string> { ["large-gib"] = "size of the file, GiB (8)" };

    public override async Task<bool> RunAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        const int Small = 64;
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-large-").FullName;
        try
        {
            await using EmbeddedNode node = await EmbeddedNode.StartQuietAsync(cancellationToken);
            string keyFile = Path.Combine(folder, "key.pub");
            await File.WriteAllTextAsync(
                keyFile, (await node.CliAsync(["repo", "create", Repository, "--json"], null, cancellationToken)).Json.GetProperty("publicKey").GetString(), cancellationToken);
            Console.WriteLine(LoadReport.Text($"node before: at most {MachineLoad.PeakResidentBytes(node.Id) / 1048576.0:0} MiB"));
            foreach (int blocks in (int[])[Small, options.Number("large-gib", 8) * 1024])
            {
                if (!await PublishAsync(node, folder, keyFile, blocks, cancellationToken))
                    return false;
            }

            return true;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> PublishAsync(EmbeddedNode node, string folder, string keyFile, int blocks, CancellationToken cancellationToken)
    {
        string root = Path.Combine(folder, "source");
        StorePathName name = StorePathName.Create(SHA256.HashData(Encoding.UTF8.GetBytes($"large {blocks}")).AsSpan(0, StorePathName.HashSize), "large");
        string path = StoreDirectory.Default.FullPath(name);
        Directory.CreateDirectory(root + path);
        await WriteAsync(Path.Combine(root + path, "image"), blocks, cancellationToken);
        (NarHash nar, long size) = await NarFromDisk.HashAsync(root + path, cancellationToken);
        string registration = Path.Combine(root, "registration");
        await using (var writer = new StreamWriter(registration))
            Registration.Write(writer, StoreDirectory.Default, [new PathInfo { Path = name, NarHash = nar, NarSize = size, References = [] }]);

        MeasuredProcess run = await MeasuredProcess.RunAsync(
            BuiltProgram.Cli, ["publish", "--repo", Repository, "--store-root", root, "--registration", registration, path, "--json", "--server", node.Grpc], cancellationToken);
        JsonElement answer = JsonDocument.Parse(run.Output).RootElement;
        Console.WriteLine(LoadReport.Text($"{blocks} MiB: {run.Seconds:0.0} s, command at most {run.PeakBytes / 1048576.0:0} MiB, node at most {MachineLoad.PeakResidentBytes(node.Id) / 1048576.0:0} MiB; {answer.GetProperty("objectsSent").GetInt64()} objects, {answer.GetProperty("bytesSent").GetInt64() / 1e6:0} MB sent; load average {MachineLoad.Now}"));
        Directory.Delete(root + path, recursive: true);
        // Everything is hashed and inflated again, and the path's NAR hash is that of the registration.
        ProgramRun verified = await ProgramRun.RunAsync(
            BuiltProgram.Cli, ["verify", node.RepositoryFolder(Repository), "--pubkey", keyFile, "--deep", "--registration", registration], null, cancellationToken);
        if (verified.ExitCode != 0)
            Console.Error.WriteLine($"not correct: {verified.Output}{verified.Errors}");
        return verified.ExitCode == 0;
    }

    // By turns a block that does not shrink, one that does to about a half, and one of nothing but zeros.
    private static async Task WriteAsync(string file, int blocks, CancellationToken cancellationToken)
    {
        var random = new Random(blocks);
        byte[] block = new byte[BlockBytes];
        await using var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (int i = 0; i < blocks; i++)
        {
            block.AsSpan().Clear();
            if (i % 4 != 3)
                random.NextBytes(block);
            if (i % 4 == 2)
            {
                foreach (ref byte b in block.AsSpan())
                    b &= 0x0f;
            }

            await stream.WriteAsync(block, cancellationToken);
        }
    }
}
