using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Catalogs;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>The catalog of a store directory: a path found and added, and its next version stored.</summary>
public class Catalogs : IDisposable
{
    private static readonly ObjectHash SomeHash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "nested"u8);

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-parts-").FullName;
    private readonly SegmentedCompressor _compressor = new();
    private CatalogWriter? _writer;
    private RepositoryPath _root = RepositoryPath.Root;
    private int _added;

    /// <summary>Store paths that are there.</summary>
    [Params(1_000, 100_000)]
    public int Paths { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _root = RepositoryPath.Root.Combine("store");
        string file = Path.Combine(_folder, "catalog.sqlite");
        using (var empty = CatalogWriter.Create(new CatalogProperties { RootPrefix = _root, Revision = 1, LastModified = 1 }))
        {
            empty.Insert(CatalogRows.PathDirectory(_root, 2, CatalogFlags.NestedRoot));
            File.WriteAllBytes(file, empty.ToBytes());
        }

        _writer = CatalogWriter.OpenCopy(file);
        _writer.Begin();
        for (; _added < Paths; _added++)
            Add();
        _writer.Commit();
        using FinishedCatalog finished = _writer.Finish();
        _compressor.Take(finished.Length, finished.Read);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _writer?.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public CatalogEntry? Find() => _writer!.Find(NameOf(Paths / 2));

    [Benchmark]
    public void AddPath()
    {
        _writer!.Begin();
        Add();
        _added++;
        _writer.Commit();
    }

    [Benchmark]
    public async Task AddPathAndStore()
    {
        AddPath();
        using FinishedCatalog finished = _writer!.Finish();
        await _compressor.StoreAsync(finished.Length, finished.Read, Stream.Null, CancellationToken.None);
    }

    private void Add()
    {
        RepositoryPath path = NameOf(_added);
        _writer!.Insert(CatalogRows.PathDirectory(path, 2, CatalogFlags.MountPoint));
        _writer.SetNested(new NestedCatalog(path, SomeHash, 18_432));
    }

    private RepositoryPath NameOf(int number) => _root.Combine(TestKit.Store.SyntheticPath.NameOf(Load.LoadReport.Text($"package-{number}")).Value);
}
