using System.Globalization;
using System.Net;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>Where a port is opened: a host (address, name, or <c>0.0.0.0</c> and <c>[::]</c> for all) and a port, 0 for any free one.</summary>
/// <param name="Host">Without brackets.</param>
/// <param name="Port">0 to 65535.</param>
public sealed record BindAddress(string Host, int Port)
{
    /// <summary>True for addresses only this machine reaches. A name other than <c>localhost</c> counts as reachable.</summary>
    public bool IsLoopback => Host == "localhost" || (IPAddress.TryParse(Host, out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>True when bound to every address of the machine, which is no address others could be told.</summary>
    public bool IsAny => IPAddress.TryParse(Host, out IPAddress? address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>Reads <c>HOST:PORT</c>; an IPv6 address stands in brackets.</summary>
    public static bool TryParse(string text, out BindAddress? address)
    {
        ArgumentNullException.ThrowIfNull(text);
        address = null;
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > 65535)
            return false;
        string host = text[..colon];
        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            host = host[1..^1];
            if (!IPAddress.TryParse(host, out IPAddress? v6) || v6.AddressFamily != System.Net.Sockets.AddressFamily.InterNetworkV6)
                return false;
        }
        else if (Uri.CheckHostName(host) is not (UriHostNameType.Dns or UriHostNameType.IPv4))
        {
            return false;
        }

        address = new BindAddress(host, port);
        return true;
    }

    /// <summary>The address to open; a name is looked up.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">The name is not known.</exception>
    public IPEndPoint Resolve()
    {
        if (IPAddress.TryParse(Host, out IPAddress? literal))
            return new IPEndPoint(literal, Port);
        if (Host == "localhost")
            return new IPEndPoint(IPAddress.Loopback, Port);
        return new IPEndPoint(Dns.GetHostAddresses(Host)[0], Port);
    }

    /// <inheritdoc/>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
