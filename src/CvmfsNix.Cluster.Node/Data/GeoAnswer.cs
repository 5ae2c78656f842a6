using System.Globalization;
using System.Net;
using System.Net.Sockets;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// The answer to a client that asks for its nearest servers: the numbers from 1 in the order to try them, nearest first by great-circle distance.
/// Where hosts are is configured; of a host that is not, nothing is known, and it comes last in the order asked. The mark between servers and
/// fallback proxies moves to the end, as clients expect. A node that was told of no place answers with the order asked.
/// </summary>
/// <param name="sites">Where hosts and networks are.</param>
/// <param name="lookUp">Addresses of a host name; none when it is not known. Null: the system's resolver.</param>
public sealed class GeoAnswer(IReadOnlyList<GeoSite> sites, Func<string, CancellationToken, Task<IReadOnlyList<IPAddress>>>? lookUp = null)
{
    private const string ProxySeparator = "+PXYSEP+";
    private const int HostsMax = 256;
    private static readonly TimeSpan LookUpMax = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, GeoSite> _byName = sites
        .Where(s => !IPNetwork.TryParse(s.Name, out _) && !IPAddress.TryParse(s.Name, out _))
        .GroupBy(s => s.Name, StringComparer.OrdinalIgnoreCase)
        .ToDictionary(g => g.Key, g => g.First(), StringComparer.OrdinalIgnoreCase);

    // The narrowest network that holds an address says where it is.
    private readonly (IPNetwork Network, GeoSite Site)[] _networks = [.. sites
        .Select(s => (Network: NetworkOf(s.Name), Site: s))
        .Where(s => s.Network is not null)
        .Select(s => (s.Network!.Value, s.Site))
        .OrderByDescending(s => s.Value.PrefixLength)];

    /// <summary>The line to answer, with its newline; null when the question is malformed or none of the servers is known.</summary>
    /// <param name="caller">Who asks, as it names itself in the question: a host, or a text that says nothing.</param>
    /// <param name="hosts">Comma-separated names without scheme and port.</param>
    /// <param name="addresses">Where the question came from, the most trusted first; used when the caller's name says nothing.</param>
    /// <param name="cancellationToken">Ends the wait for names.</param>
    public async Task<string?> ForAsync(string caller, string hosts, IReadOnlyList<IPAddress> addresses, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(caller);
        ArgumentNullException.ThrowIfNull(hosts);
        ArgumentNullException.ThrowIfNull(addresses);
        string[] names = hosts.Split(',');
        if (names.Length > HostsMax || names.Any(n => n.Length == 0 || (n != ProxySeparator && !n.All(IsHostCharacter))))
            return null;
        var distances = new double[names.Length];
        if (sites.Count > 0)
        {
            using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            bounded.CancelAfter(LookUpMax);
            GeoSite?[] places = await Task.WhenAll(names.Select(n => n == ProxySeparator ? Task.FromResult<GeoSite?>(null) : PlaceAsync(n, bounded.Token)));
            if (places.All(p => p is null))
                return null;
            GeoSite? here = await PlaceAsync(caller, bounded.Token) ?? addresses.Select(PlaceOf).FirstOrDefault(p => p is not null);
            for (int i = 0; here is not null && i < names.Length; i++)
                distances[i] = places[i] is { } place ? Distance(here, place) : double.PositiveInfinity;
        }

        var ordered = Enumerable.Range(0, names.Length).OrderBy(i => names[i] == ProxySeparator ? 1 : 0).ThenBy(i => distances[i]);
        return string.Join(',', ordered.Select(i => (i + 1).ToString(CultureInfo.InvariantCulture))) + "\n";
    }

    private async Task<GeoSite?> PlaceAsync(string host, CancellationToken cancellationToken)
    {
        string name = WithoutPort(host);
        if (_byName.TryGetValue(name, out GeoSite? site))
            return site;
        if (IPAddress.TryParse(name, out IPAddress? address))
            return PlaceOf(address);
        // Only networks can tell where an address is.
        if (_networks.Length == 0 || Uri.CheckHostName(name) != UriHostNameType.Dns || !name.Contains('.', StringComparison.Ordinal))
            return null;
        IReadOnlyList<IPAddress> found = lookUp is null ? await ResolveAsync(name, cancellationToken) : await lookUp(name, cancellationToken);
        return found.Select(PlaceOf).FirstOrDefault(p => p is not null);
    }

    private GeoSite? PlaceOf(IPAddress address)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        foreach ((IPNetwork network, GeoSite site) in _networks)
        {
            if (network.Contains(plain))
                return site;
        }

        return null;
    }

    private static async Task<IReadOnlyList<IPAddress>> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(name, cancellationToken);
        }
        catch (Exception e) when (e is SocketException or ArgumentException or OperationCanceledException)
        {
            return [];
        }
    }

    private static IPNetwork? NetworkOf(string name)
    {
        if (IPNetwork.TryParse(name, out IPNetwork network))
            return network;
        return IPAddress.TryParse(name, out IPAddress? address) ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128) : null;
    }

    private static string WithoutPort(string host)
    {
        if (host.StartsWith('[') && host.IndexOf(']', StringComparison.Ordinal) is > 0 and var end)
            return host[1..end];
        int colon = host.IndexOf(':', StringComparison.Ordinal);
        return colon >= 0 && colon == host.LastIndexOf(':') ? host[..colon] : host;
    }

    // Haversine; the unit does not matter for an order.
    private static double Distance(GeoSite a, GeoSite b)
    {
        (double phi1, double phi2) = (double.DegreesToRadians(a.Latitude), double.DegreesToRadians(b.Latitude));
        double dPhi = phi2 - phi1, dLambda = double.DegreesToRadians(b.Longitude - a.Longitude);
        double h = Math.Pow(Math.Sin(dPhi / 2), 2) + (Math.Cos(phi1) * Math.Cos(phi2) * Math.Pow(Math.Sin(dLambda / 2), 2));
        return 2 * Math.Asin(Math.Min(1, Math.Sqrt(h)));
    }

    private static bool IsHostCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '[' or ']';
}
