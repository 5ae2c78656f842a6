using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Where this node is reached, with real ports: known once the server has bound them.</summary>
public sealed class NodeAddresses(PortOptions ports, TlsOptions? tls = null)
{
    private readonly Dictionary<Surface, ListenOptions> _bound = [];

    /// <summary>Remembers what the server listens on; it writes the real port there.</summary>
    public void Add(Surface surface, ListenOptions listen) => _bound[surface] = listen;

    /// <summary>Whether the port is open at all.</summary>
    public bool IsBound(Surface surface) => _bound.ContainsKey(surface);

    /// <summary>Where other machines reach the data port; null when it is not known: it is bound to every address and nobody named one.</summary>
    public string? PublicDataUrl => ports.Http.IsAny && ports.PublicHost is null ? null : Url(Surface.Data);

    /// <summary>URL of a port without a slash at the end.</summary>
    public string Url(Surface surface) => Url(surface, null);

    /// <summary>Where a repository's folder is served.</summary>
    /// <param name="repository">Fully qualified name.</param>
    /// <param name="askedHost">The host (and port) the caller reached this node by; used when bound to every address.</param>
    public string RepositoryUrl(string repository, string? askedHost) => $"{Url(Surface.Data, askedHost)}/cvmfs/{repository}";

    /// <summary>The data port, without a slash at the end.</summary>
    /// <param name="askedHost">The host (and port) the caller reached this node by; used when bound to every address.</param>
    public string DataUrl(string? askedHost) => Url(Surface.Data, askedHost);

    /// <summary>The control port.</summary>
    /// <inheritdoc cref="DataUrl"/>
    public string ControlUrl(string? askedHost) => Url(Surface.Control, askedHost);

    /// <summary>Where object packs of a transaction are posted to.</summary>
    /// <inheritdoc cref="RepositoryUrl"/>
    public string UploadUrl(string repository, string transaction, string? askedHost) => $"{Url(Surface.Data, askedHost)}/upload/{repository}/{transaction}";

    private string Url(Surface surface, string? askedHost)
    {
        BindAddress asked = surface switch
        {
            Surface.Data => ports.Http,
            Surface.Control => ports.Grpc,
            _ => ports.Management,
        };
        int port = _bound.TryGetValue(surface, out ListenOptions? listen) ? listen.IPEndPoint?.Port ?? asked.Port : asked.Port;
        string host = asked.Host;
        if (asked.IsAny)
            host = HostOf(askedHost) ?? (asked.Host.Contains(':', StringComparison.Ordinal) ? "::1" : "127.0.0.1");
        if (ports.PublicHost is not null && !asked.IsLoopback)
            host = ports.PublicHost;
        return (tls?.Covers(surface) == true ? "https://" : "http://") + new BindAddress(host, port);
    }

    /// <summary>Where other nodes reach the data port.</summary>
    /// <param name="remoting">The host they reach this node's cluster port by, which is good for both where the data port names none.</param>
    public string PeerUrl(BindAddress remoting)
    {
        ArgumentNullException.ThrowIfNull(remoting);
        return Url(Surface.Data, remoting.IsAny ? null : remoting.ToString());
    }

    // Drops the port of an authority; null when there is no usable host.
    private static string? HostOf(string? authority) =>
        authority is not null && Uri.TryCreate("http://" + authority, UriKind.Absolute, out Uri? uri) ? uri.DnsSafeHost : null;
}
