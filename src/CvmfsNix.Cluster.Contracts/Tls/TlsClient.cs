using System.Net.Security;
using System.Security.Authentication;

namespace CvmfsNix.Cluster.Contracts.Tls;

/// <summary>How connections are opened to servers that speak TLS.</summary>
public static class TlsClient
{
    /// <summary>Versions that are spoken.</summary>
    public const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Options for a handler of HTTP connections.</summary>
    /// <param name="trust">Whom to believe; null = the authorities of the machine.</param>
    /// <param name="identity">What to show to servers that ask; null = nothing.</param>
    public static SslClientAuthenticationOptions Options(PemTrust? trust, PemIdentity? identity)
    {
        var options = new SslClientAuthenticationOptions { EnabledSslProtocols = Versions };
        if (trust is not null)
            options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => trust.IsServer(certificate, chain, errors);
        if (identity is not null)
            options.LocalCertificateSelectionCallback = (_, _, _, _, _) => identity.Certificate;
        return options;
    }
}
