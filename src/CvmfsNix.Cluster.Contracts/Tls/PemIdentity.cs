using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CvmfsNix.Cluster.Contracts.Tls;

/// <summary>A certificate with its chain and its key, from PEM files. They are read again when they change. Thread-safe.</summary>
public sealed class PemIdentity
{
    private readonly ReloadedFiles<SslStreamCertificateContext> _files;

    /// <summary>Reads the files.</summary>
    /// <param name="certificateFile">The certificate, then those of its issuers but the root.</param>
    /// <param name="keyFile">Its private key, without a passphrase; may be the same file.</param>
    /// <param name="told">Takes a sentence when they were read again.</param>
    /// <exception cref="InvalidDataException">They cannot be used; names the files.</exception>
    public PemIdentity(string certificateFile, string keyFile, Action<string>? told = null) =>
        _files = new ReloadedFiles<SslStreamCertificateContext>([certificateFile, keyFile], () => Read(certificateFile, keyFile), told);

    /// <summary>What servers show: the certificate with its chain.</summary>
    public SslStreamCertificateContext Context => _files.Current;

    /// <summary>What clients show.</summary>
    public X509Certificate2 Certificate => _files.Current.TargetCertificate;

    private static SslStreamCertificateContext Read(string certificateFile, string keyFile)
    {
        try
        {
            X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(certificateFile);
            chain.RemoveAt(0);
            return SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidDataException($"The certificate {certificateFile} and its key {keyFile} cannot be used: {e.Message}", e);
        }
    }
}
