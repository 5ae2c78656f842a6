using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CvmfsNix.Cluster.Contracts.Tls;

/// <summary>Whose certificates are believed: those by the authorities in a PEM file, and no others. It is read again when it changes. Thread-safe.</summary>
public sealed class PemTrust
{
    private const string ServerPurpose = "1.3.6.1.5.5.7.3.1";
    private const string ClientPurpose = "1.3.6.1.5.5.7.3.2";
    private readonly ReloadedFiles<X509Certificate2Collection> _files;

    /// <summary>Reads the file.</summary>
    /// <param name="file">Certificates of authorities.</param>
    /// <param name="told">Takes a sentence when it was read again.</param>
    /// <exception cref="InvalidDataException">It cannot be used; names the file.</exception>
    public PemTrust(string file, Action<string>? told = null) =>
        _files = new ReloadedFiles<X509Certificate2Collection>([file], () => Read(file), told);

    /// <summary>Whether the certificate a server has shown is good for the name it was asked by.</summary>
    public bool IsServer(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None && IsGood(certificate, chain, ServerPurpose);

    /// <summary>Whether the certificate a client has shown is good.</summary>
    public bool IsClient(X509Certificate? certificate, X509Chain? chain) => IsGood(certificate, chain, ClientPurpose);

    private bool IsGood(X509Certificate? certificate, X509Chain? shown, string purpose)
    {
        if (certificate is not X509Certificate2 leaf)
            return false;
        using var chain = new X509Chain();
        X509ChainPolicy policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.AddRange(_files.Current);
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.ApplicationPolicy.Add(new Oid(purpose));
        if (shown is not null)
            policy.ExtraStore.AddRange(shown.ChainPolicy.ExtraStore);
        return chain.Build(leaf);
    }

    private static X509Certificate2Collection Read(string file)
    {
        try
        {
            var found = new X509Certificate2Collection();
            found.ImportFromPemFile(file);
            return found.Count > 0 ? found : throw new InvalidDataException($"The file {file} holds no certificate (-----BEGIN CERTIFICATE-----).");
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidDataException($"The certificates in {file} cannot be used: {e.Message}", e);
        }
    }
}
