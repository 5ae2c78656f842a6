using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Replication.Trust;

/// <summary>
/// Decides, as a client does, whether a manifest is to be believed: whitelist signed by one of the own master keys, not run out and of this repository;
/// certificate on it; manifest signed by the certificate. Thread-safe.
/// </summary>
internal sealed class TrustChain(string repository, IReadOnlyList<string> masterPublicKeyPems, TimeProvider clock)
{
    // What stock clients take of a certificate.
    private const int CertificateBytesMax = 1 << 20;

    /// <summary>A manifest of this repository; its signature is not checked yet.</summary>
    /// <exception cref="ReplicationException">It is none.</exception>
    public SignedManifest ReadManifest(ReadOnlyMemory<byte> file)
    {
        try
        {
            SignedManifest manifest = Manifest.ParseSigned(file);
            return manifest.Manifest.RepositoryName == repository
                ? manifest
                : throw NotTrusted($"The manifest is of {manifest.Manifest.RepositoryName}, not of {repository}.");
        }
        catch (ManifestFormatException e)
        {
            throw NotTrusted($"The manifest of {repository} is no good: {e.Message}", e);
        }
    }

    /// <summary>A whitelist that is valid now.</summary>
    /// <exception cref="ReplicationException">It is none.</exception>
    public SignedWhitelist CheckWhitelist(ReadOnlyMemory<byte> file)
    {
        SignedWhitelist whitelist;
        try
        {
            whitelist = Whitelist.ParseSigned(file);
        }
        catch (WhitelistFormatException e)
        {
            throw NotTrusted($"The whitelist of {repository} is no good: {e.Message}", e);
        }

        RSA[] keys = [.. masterPublicKeyPems.Select(ReadKey)];
        try
        {
            if (whitelist.Whitelist.RepositoryName != repository)
                throw NotTrusted($"The whitelist is of {whitelist.Whitelist.RepositoryName}, not of {repository}.");
            if (!whitelist.Verify(keys))
                throw NotTrusted($"The whitelist of {repository} is not signed by any of the {keys.Length} public keys given here, or was changed. Either this replica has the key of another repository, or somebody in between is at work.");
        }
        finally
        {
            foreach (RSA key in keys)
                key.Dispose();
        }

        return whitelist.Whitelist.IsExpiredAt(clock.GetUtcNow())
            ? throw new ReplicationException(ReplicationFailure.Expired, $"The whitelist of {repository} expired in the hour of {whitelist.Whitelist.ExpiresAt:u}; clients refuse it as well. The repository's owner must renew it.")
            : whitelist;
    }

    /// <summary>Checks the signature of a manifest and that its certificate is listed.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="whitelist">A whitelist that was found good.</param>
    /// <param name="storedCertificate">Stored bytes of the manifest's certificate, which have the digest of its name.</param>
    /// <exception cref="ReplicationException">One of them is not so.</exception>
    public void CheckManifest(SignedManifest manifest, SignedWhitelist whitelist, ReadOnlySpan<byte> storedCertificate)
    {
        RepositoryCertificate certificate;
        try
        {
            certificate = RepositoryCertificate.Parse(ObjectCompression.Decompress(storedCertificate, CertificateBytesMax));
        }
        catch (Exception e) when (e is ObjectCorruptException or CertificateFormatException)
        {
            throw NotTrusted($"The certificate of {repository} is no good: {e.Message}", e);
        }

        if (!manifest.Verify(certificate))
            throw NotTrusted($"The manifest of {repository} is not signed by its certificate, or was changed.");
        if (!whitelist.Whitelist.Lists(certificate))
            throw NotTrusted($"The whitelist of {repository} does not list the certificate that signed its manifest.");
    }

    private static RSA ReadKey(string pem)
    {
        try
        {
            return RepositoryKeys.ReadPublicKeyPem(pem);
        }
        catch (KeyFileException e)
        {
            throw NotTrusted($"A public key given here is none: {e.Message}", e);
        }
    }

    private static ReplicationException NotTrusted(string message, Exception? inner = null) => new(ReplicationFailure.NotTrusted, message, inner);
}
