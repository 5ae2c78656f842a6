using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>The X.509 certificate whose key signs manifests. Its dates, names and issuer mean nothing; only the whitelist makes it trusted.</summary>
public sealed class RepositoryCertificate
{
    private const string Label = "CERTIFICATE";
    private readonly byte[] _der;

    private RepositoryCertificate(byte[] pem, byte[] der, RSA publicKey)
    {
        Pem = pem;
        _der = der;
        PublicKey = publicKey;
    }

    /// <summary>The bytes it was read from; the content of the certificate object.</summary>
    public byte[] Pem { get; }

    /// <summary>Key that verifies the manifest.</summary>
    public RSA PublicKey { get; }

    /// <summary>Reads the first certificate of a PEM text.</summary>
    /// <exception cref="CertificateFormatException">No certificate there, or one without RSA key.</exception>
    public static RepositoryCertificate Parse(ReadOnlySpan<byte> pem)
    {
        var text = Encoding.Latin1.GetString(pem);
        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].SequenceEqual(Label)) return FromDer(pem.ToArray(), Convert.FromBase64String(rest[fields.Base64Data].ToString()));
            rest = rest[fields.Location.End..];
        }

        throw new CertificateFormatException("Not a certificate: no PEM block CERTIFICATE is there.");
    }

    /// <summary>Digest of the DER form as whitelists print it: upper-case hex pairs with colons, then the algorithm id, if any, in upper case.</summary>
    public string Fingerprint(HashAlgorithmId algorithm = HashAlgorithmId.Sha1)
    {
        var digest = Convert.ToHexString(ObjectHasher.Hash(algorithm, _der).ToArray());
        return string.Join(':', digest.Chunk(2).Select(pair => new string(pair))) + algorithm.Text().ToUpperInvariant();
    }

    private static RepositoryCertificate FromDer(byte[] pem, byte[] der)
    {
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der);
            var key = certificate.GetRSAPublicKey() ?? throw new CertificateFormatException("The certificate has no RSA key.");
            return new RepositoryCertificate(pem, certificate.RawData, key);
        }
        catch (CryptographicException e)
        {
            throw new CertificateFormatException($"Not a certificate: {e.Message}", e);
        }
    }
}
