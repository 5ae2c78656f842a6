using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Digests;

namespace CvmfsNix.Cluster.Cvmfs.Hashing;

/// <summary>Incremental object hash. Not thread-safe.</summary>
public sealed class ObjectHasher : IDisposable
{
    private readonly HashAlgorithmId _algorithm;
    private readonly IncrementalHash? _sha1;
    private readonly RipeMD160Digest? _rmd160;

    // Managed, because the platform offers SHAKE-128 only over recent OpenSSL.
    private readonly ShakeDigest? _shake128;

    /// <summary>Starts a hash.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Unknown algorithm.</exception>
    public ObjectHasher(HashAlgorithmId algorithm)
    {
        _algorithm = algorithm;
        switch (algorithm)
        {
            case HashAlgorithmId.Sha1: _sha1 = IncrementalHash.CreateHash(HashAlgorithmName.SHA1); break;
            case HashAlgorithmId.Rmd160: _rmd160 = new RipeMD160Digest(); break;
            case HashAlgorithmId.Shake128: _shake128 = new ShakeDigest(128); break;
            default: throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "Unknown hash algorithm.");
        }
    }

    /// <summary>Adds bytes.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (_sha1 is not null) _sha1.AppendData(data);
        else if (_rmd160 is not null) _rmd160.BlockUpdate(data);
        else _shake128!.BlockUpdate(data);
    }

    /// <summary>Gives the hash of everything appended and starts afresh.</summary>
    public ObjectHash Finish()
    {
        Span<byte> digest = stackalloc byte[ObjectHash.Size];
        if (_sha1 is not null) _sha1.GetHashAndReset(digest);
        else if (_rmd160 is not null) _rmd160.DoFinal(digest);
        else _shake128!.OutputFinal(digest);
        return new ObjectHash(_algorithm, digest);
    }

    /// <summary>Hash of one piece of data.</summary>
    public static ObjectHash Hash(HashAlgorithmId algorithm, ReadOnlySpan<byte> data)
    {
        if (algorithm == HashAlgorithmId.Sha1)
        {
            Span<byte> digest = stackalloc byte[ObjectHash.Size];
            SHA1.HashData(data, digest);
            return new ObjectHash(algorithm, digest);
        }

        using var hasher = new ObjectHasher(algorithm);
        hasher.Append(data);
        return hasher.Finish();
    }

    /// <inheritdoc/>
    public void Dispose() => _sha1?.Dispose();
}
