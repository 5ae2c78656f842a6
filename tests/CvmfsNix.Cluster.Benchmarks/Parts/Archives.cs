using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>NARs made of a folder and read, and what is told about them.</summary>
public class Archives : IDisposable
{
    private const int Files = 200;

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-parts-").FullName;
    private readonly byte[] _block = new byte[64 << 10];
    private readonly NixSecretKey _key = NixSecretKey.Generate("parts-1");
    private byte[] _archive = [];
    private string _told = "";
    private NarInfo _info = null!;

    [GlobalSetup]
    public async Task Setup()
    {
        for (int i = 0; i < Files; i++)
            await File.WriteAllBytesAsync(Path.Combine(_folder, Load.LoadReport.Text($"file-{i:d4}")), PartContent.Text(500 + (i * 97)));
        using var archive = new MemoryStream();
        await NarFromDisk.WriteAsync(_folder, archive);
        _archive = archive.ToArray();
        SyntheticPath path = SyntheticPath.Package("parts", references: Enumerable.Range(0, 10).Select(i => SyntheticPath.NameOf(Load.LoadReport.Text($"needed-{i}"))));
        _info = NarInfo.Create(StoreDirectory.Default, path.Upload.Info, "nar/parts.nar", "none");
        _told = _info.ToString();
    }

    [GlobalCleanup]
    public void Dispose()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public Task<(NarHash Hash, long Size)> HashFolder() => NarFromDisk.HashAsync(_folder);

    [Benchmark]
    public async Task<long> ReadWithHash()
    {
        using var reader = new NarReader(new MemoryStream(_archive), computeHash: true);
        while (await reader.ReadAsync() is { } step)
        {
            while (step.Kind == NarEventKind.File && await step.Content.ReadAsync(_block) > 0)
            {
            }
        }

        return reader.Digest.NarSize;
    }

    [Benchmark]
    public NarInfo ParseNarInfo() => NarInfo.Parse(_told);

    [Benchmark]
    public string PrintNarInfo() => _info.ToString();

    [Benchmark]
    public string Sign() => _key.Sign("1;/nix/store/parts");
}
