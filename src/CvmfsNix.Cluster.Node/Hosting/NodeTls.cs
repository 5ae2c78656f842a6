using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using CvmfsNix.Cluster.Contracts.Tls;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>TLS of this node: what it shows, and whom it believes. All files are read again when they change; connections that are open stay.</summary>
public sealed class NodeTls
{
    private static readonly TimeSpan HandshakeMax = TimeSpan.FromSeconds(10);
    private readonly TlsOptions _options;
    private readonly PemIdentity? _identity;
    private readonly PemTrust? _callers;

    /// <summary>Reads the files.</summary>
    /// <exception cref="InvalidDataException">A file cannot be used.</exception>
    public NodeTls(TlsOptions options, ILogger<NodeTls> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        Action<string> told = sentence => log.LogWarning("TLS: {What}", sentence);
        _identity = options.CertificateFile is { } certificate ? new PemIdentity(certificate, options.KeyFile ?? certificate, told) : null;
        _callers = options.ClientAuthorityFile is { } callers ? new PemTrust(callers, told) : null;
        PemTrust? trust = options.AuthorityFile is { } file ? new PemTrust(file, told) : null;
        Outgoing = TlsClient.Options(trust, _identity);
    }

    /// <summary>For connections this node opens.</summary>
    public SslClientAuthenticationOptions Outgoing { get; }

    /// <summary>Makes a port speak TLS where it should.</summary>
    public void Apply(ListenOptions listen, Surface surface)
    {
        ArgumentNullException.ThrowIfNull(listen);
        if (!_options.Covers(surface))
            return;
        // Stock clients understand status lines of HTTP/1 only, so the data port offers nothing else.
        List<SslApplicationProtocol> protocols = [listen.Protocols == HttpProtocols.Http2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11];
        bool asks = _options.AsksForCertificate(surface);
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = HandshakeMax,
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = _identity!.Context,
                EnabledSslProtocols = TlsClient.Versions,
                ApplicationProtocols = protocols,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                AllowRenegotiation = false,
                ClientCertificateRequired = asks,
                RemoteCertificateValidationCallback = asks ? (_, certificate, chain, _) => _callers!.IsClient(certificate, chain) : null,
            }),
        });
    }
}
