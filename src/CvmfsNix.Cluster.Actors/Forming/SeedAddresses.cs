using System.Net;
using System.Net.Sockets;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Forming;

/// <summary>The seeds as remoting addresses.</summary>
internal static class SeedAddresses
{
    /// <summary>
    /// A list is taken as it is written. A single name with several addresses stands for all of them, as orchestrators publish the
    /// instances of a service.
    /// </summary>
    public static async Task<IReadOnlyList<string>> ResolveAsync(IReadOnlyList<string> seeds, CancellationToken ct)
    {
        if (seeds is [var only] && await AddressesOfAsync(only, ct).ConfigureAwait(false) is { Count: > 1 } several)
            return [.. several.Select(Remoting)];
        return [.. seeds.Select(Remoting)];
    }

    private static string Remoting(string hostAndPort) => $"akka.tcp://{CoreHosting.SystemName}@{hostAndPort}";

    private static async Task<IReadOnlyList<string>> AddressesOfAsync(string seed, CancellationToken ct)
    {
        int colon = seed.LastIndexOf(':');
        string host = seed[..colon], port = seed[(colon + 1)..];
        if (IPAddress.TryParse(host.Trim('[', ']'), out _))
            return [];
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(host, ct).ConfigureAwait(false);
            return [.. addresses.Select(a => a.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{a}]:{port}" : $"{a}:{port}").Distinct().Order(StringComparer.Ordinal)];
        }
        catch (SocketException)
        {
            // Not known at present; the members' own rows say where they are.
            return [];
        }
    }
}
