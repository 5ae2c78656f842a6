using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>A manifest as it stands in its file.</summary>
/// <param name="Manifest">What it says; not to be believed before <see cref="Verify"/>.</param>
/// <param name="Bytes">The whole file.</param>
/// <param name="PrintedHash">The digest printed behind <c>--</c>.</param>
/// <param name="Signature">The raw signature.</param>
public sealed record SignedManifest(Manifest Manifest, ReadOnlyMemory<byte> Bytes, ObjectHash PrintedHash, ReadOnlyMemory<byte> Signature)
{
    /// <summary>True when the body has the printed digest and the certificate's key signed the printed text (PKCS#1 v1.5 with SHA-1, whatever the repository's algorithm).</summary>
    public bool Verify(RepositoryCertificate certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return SignedText.Split(Bytes, out _) is { } parts
            && parts.HashMatches()
            && RawSignature.Verify(certificate.PublicKey, RawSignature.Sha1Payload(SignedText.Message(parts.PrintedHash)), parts.Signature.Span);
    }
}
