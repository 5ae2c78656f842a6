using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Fuzz.Mutation;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Certificates. Half of the changes are made inside the DER form, which chance would not hit through base 64.</summary>
public sealed class CertificateTarget : FuzzTarget
{
    private static readonly SignedManifest Manifest = CvmfsNix.Cluster.Cvmfs.Trust.Manifest.ParseSigned(Golden.Named(".cvmfspublished"));

    public override string Name => "certificate";

    public override IReadOnlyList<byte[]> Words { get; } =
        [.. ((string[])["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN X-----\n", "-----END X-----\n", "=", "==", "\n"]).Select(Encoding.ASCII.GetBytes)];

    // The platform's certificate classes allocate for themselves, whatever the input.
    public override AllocationBound Allocation => new(512 * 1024, 200);

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Golden.Certificate.Pem;
        using var elliptic = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 other = new CertificateRequest("CN=x", elliptic, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        yield return Encoding.ASCII.GetBytes(other.ExportCertificatePem());
    }

    public override byte[] Mutate(byte[] input, Mutator mutator)
    {
        string text = Encoding.Latin1.GetString(input);
        if (mutator.Random.Next(2) == 0 || !PemEncoding.TryFind(text, out PemFields fields))
            return mutator.Mutate(input);
        byte[] der = mutator.Mutate(Convert.FromBase64String(text[fields.Base64Data]));
        return Encoding.ASCII.GetBytes(PemEncoding.WriteString(text[fields.Label], der));
    }

    public override string Run(byte[] input, Random random)
    {
        RepositoryCertificate certificate;
        try
        {
            certificate = RepositoryCertificate.Parse(input);
        }
        catch (CertificateFormatException e)
        {
            return e.Message;
        }

        Oracle.Same(input, certificate.Pem, "the certificate's text");
        Oracle.Same(certificate.Fingerprint(), RepositoryCertificate.Parse(certificate.Pem).Fingerprint(), "the fingerprint of the certificate read again");
        return $"{Accepted} {Manifest.Verify(certificate)}";
    }
}
