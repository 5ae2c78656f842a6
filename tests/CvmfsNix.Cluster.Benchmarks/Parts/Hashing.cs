using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.Encoding;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>Names of objects, and Nix's way of writing digests.</summary>
public class Hashing
{
    private byte[] _bytes = [];
    private readonly byte[] _digest = [.. Enumerable.Range(0, 32).Select(i => (byte)(i * 37))];
    private readonly byte[] _decoded = new byte[32];
    private string _text = "";

    /// <summary>Bytes of the object.</summary>
    [Params(4 << 10, 1 << 20)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _bytes = PartContent.Text(Size);
        _text = Nix32.Encode(_digest);
    }

    [Benchmark]
    public ObjectHash ObjectNameSha1() => ObjectHasher.Hash(HashAlgorithmId.Sha1, _bytes);

    [Benchmark]
    public ObjectHash ObjectNameShake128() => ObjectHasher.Hash(HashAlgorithmId.Shake128, _bytes);

    [Benchmark]
    public string Base32Encode() => Nix32.Encode(_digest);

    [Benchmark]
    public bool Base32Decode() => Nix32.TryDecode(_text, _decoded);
}
