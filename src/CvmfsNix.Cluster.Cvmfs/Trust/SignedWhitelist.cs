using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>A whitelist as it stands in its file.</summary>
/// <param name="Whitelist">What it says; not to be believed before <see cref="Verify"/>.</param>
/// <param name="Bytes">The whole file.</param>
/// <param name="PrintedHash">The digest printed behind <c>--</c>.</param>
/// <param name="Signature">The raw signature.</param>
public sealed record SignedWhitelist(Whitelist Whitelist, ReadOnlyMemory<byte> Bytes, ObjectHash PrintedHash, ReadOnlyMemory<byte> Signature)
{
    /// <summary>True when <see cref="HashMatches"/> and one of the master keys signed the printed text (type-1 padding around the bare text, no DigestInfo).</summary>
    public bool Verify(IReadOnlyList<RSA> masterKeys)
    {
        ArgumentNullException.ThrowIfNull(masterKeys);
        return SignedText.Split(Bytes, out _) is { } parts
            && parts.HashMatches()
            && masterKeys.Any(key => RawSignature.Verify(key, SignedText.Message(parts.PrintedHash), parts.Signature.Span));
    }

    /// <summary>True when the body has the printed digest.</summary>
    public bool HashMatches() => SignedText.Split(Bytes, out _) is { } parts && parts.HashMatches();
}
