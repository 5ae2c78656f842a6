using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Packs;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>A pack of objects as builders, stores and mirrors send it: written and read back.</summary>
public class Packs
{
    private const int Objects = 1_000;

    private readonly List<(PackedObject Header, byte[] Stored)> _objects = [];
    private readonly byte[] _block = new byte[64 << 10];
    private byte[] _pack = [];

    [GlobalSetup]
    public async Task Setup()
    {
        for (int i = 0; i < Objects; i++)
        {
            byte[] plain = [.. BitConverter.GetBytes(i), .. PartContent.Text(4_000)];
            byte[] stored = ObjectCompression.Compress(plain);
            _objects.Add((new PackedObject(new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), ObjectKind.Data), CompressionAlgorithm.Zlib, stored.Length, plain.Length), stored));
        }

        using var pack = new MemoryStream();
        await WriteAsync(pack);
        _pack = pack.ToArray();
    }

    [Benchmark]
    public Task Write() => WriteAsync(Stream.Null);

    [Benchmark]
    public async Task<long> Read()
    {
        var reader = new ObjectPackReader(new MemoryStream(_pack));
        while (await reader.ReadAsync(CancellationToken.None) is { } item)
        {
            while (await item.Content.ReadAsync(_block) > 0)
            {
            }
        }

        return reader.Objects;
    }

    private async Task WriteAsync(Stream destination)
    {
        var writer = new ObjectPackWriter(destination);
        foreach ((PackedObject header, byte[] stored) in _objects)
            await writer.WriteAsync(header, stored, CancellationToken.None);
        await writer.FinishAsync(CancellationToken.None);
    }
}
