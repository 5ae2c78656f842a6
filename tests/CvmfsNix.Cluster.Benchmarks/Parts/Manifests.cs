using BenchmarkDotNet.Attributes;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>The manifest of a revision: signed by the leader, checked by every store, mirror and client.</summary>
public class Manifests : IDisposable
{
    private readonly RepositoryKeys _keys = RepositoryKeys.Create("parts.example.org", DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly Manifest _manifest = new()
    {
        RepositoryName = "parts.example.org",
        RootHash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "root"u8),
        RootSize = 20_480,
        TtlSeconds = 240,
        Revision = 4711,
        GarbageCollectable = true,
        Certificate = ObjectHasher.Hash(HashAlgorithmId.Sha1, "certificate"u8),
        History = ObjectHasher.Hash(HashAlgorithmId.Sha1, "tags"u8),
        PublishedAt = DateTimeOffset.UnixEpoch.AddYears(56),
    };

    private ReadOnlyMemory<byte> _signed;

    [GlobalSetup]
    public void Setup() => _signed = _manifest.Sign(_keys.SigningKey).Bytes;

    [GlobalCleanup]
    public void Dispose()
    {
        _keys.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public SignedManifest Sign() => _manifest.Sign(_keys.SigningKey);

    [Benchmark]
    public bool ParseAndVerify() => Manifest.ParseSigned(_signed).Verify(_keys.Certificate);
}
