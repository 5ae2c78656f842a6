using System.IO.Compression;
using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Cvmfs.Compression;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>One object compressed and inflated, with the library and with the runtime alone.</summary>
public class Compression
{
    private BlockCompressor _compressor = BlockCompressor.Runtime;
    private byte[] _plain = [];
    private byte[] _stored = [];
    private byte[] _place = [];

    /// <summary>Bytes of the file.</summary>
    [Params(4 << 10, 256 << 10)]
    public int Size { get; set; }

    /// <summary>Whether the library is used, if it is there.</summary>
    [Params(true, false)]
    public bool Library { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _compressor = Library ? BlockCompressor.Best : BlockCompressor.Runtime;
        _plain = PartContent.Text(Size);
        _place = new byte[Size + 1024];
        int length = _compressor.Compress(_plain, _place, CompressionLevel.Optimal);
        _stored = _place[..length];
    }

    [Benchmark]
    public int Compress() => _compressor.Compress(_plain, _place, CompressionLevel.Optimal);

    [Benchmark]
    public bool Inflate() => _compressor.TryInflate(_stored, _place.AsSpan(0, Size));
}
