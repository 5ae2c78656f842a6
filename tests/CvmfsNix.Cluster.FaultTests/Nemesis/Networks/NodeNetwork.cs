using System.Globalization;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Networks;

/// <summary>
/// A network namespace for each node, on a bridge in one more, which this machine's own namespace reaches by one virtual cable. A cut goes
/// one way and is silent: the sender gets a link address that nobody has. Deleting the namespaces removes everything, and what a run that
/// was killed left behind goes when the next one starts.
/// </summary>
internal sealed class NodeNetwork : IAsyncDisposable
{
    private const string Prefix = "cnx";
    private const string Nowhere = "02:00:00:00:00:99";
    private const int Home = 254;
    private const int Database = 253;

    private readonly int _id;
    private readonly int _nodes;
    private readonly string _subnet;

    private NodeNetwork(int nodes)
    {
        _nodes = nodes;
        _id = Environment.ProcessId;
        _subnet = $"10.{Random.Shared.Next(64, 250)}.{Random.Shared.Next(1, 250)}";
    }

    /// <summary>Address of builders and watchers.</summary>
    public string HomeAddress => At(Home);

    /// <summary>Address that nodes find the database at; another one than the builders', so that it can be cut off by itself.</summary>
    public string DatabaseAddress => At(Database);

    /// <summary>Makes the network.</summary>
    /// <returns>It, or why there can be none on this machine.</returns>
    public static async Task<(NodeNetwork? Network, string Missing)> TryCreateAsync(int nodes, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            return (null, "not root");
        var network = new NodeNetwork(nodes);
        try
        {
            await RemoveLeftoversAsync(cancellationToken);
            await network.BuildAsync(cancellationToken);
            return (network, "");
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            await network.DisposeAsync();
            return (null, e.Message.ReplaceLineEndings(" "));
        }
    }

    /// <summary>Where a node runs, by its number from 1.</summary>
    public NodePlace Place(int node) => new(At(node), "nsenter", $"--net=/run/netns/{Space(node)}");

    /// <summary>What one node sends to another is lost, one way.</summary>
    public Task CutAsync(int from, int to, CancellationToken cancellationToken) => NeighbourAsync(from, At(to), cut: true, cancellationToken);

    /// <summary>What a node sends to the database is lost; what the database sends arrives.</summary>
    public Task CutFromDatabaseAsync(int from, CancellationToken cancellationToken) => NeighbourAsync(from, DatabaseAddress, cut: true, cancellationToken);

    /// <summary>Limits what a node sends, to all others together.</summary>
    public Task SlowAsync(int node, string rate, CancellationToken cancellationToken) =>
        RunAsync("tc", ["-n", Space(node), "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "16kb", "latency", "1s"], cancellationToken);

    /// <summary>Undoes all cuts and limits of all nodes.</summary>
    public async Task HealAsync(CancellationToken cancellationToken)
    {
        for (int node = 1; node <= _nodes; node++)
        {
            for (int other = 1; other <= _nodes; other++)
            {
                if (other != node)
                    await NeighbourAsync(node, At(other), cut: false, cancellationToken);
            }

            await NeighbourAsync(node, DatabaseAddress, cut: false, cancellationToken);
            // Fails where there is no limit.
            _ = await ProgramRun.RunAsync("tc", ["-n", Space(node), "qdisc", "del", "dev", "eth0", "root"], cancellationToken: cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (int node = 0; node <= _nodes; node++)
            _ = await ProgramRun.RunAsync("ip", ["netns", "del", Space(node)]);
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        string bridge = Space(0);
        await IpAsync(["netns", "add", bridge], cancellationToken);
        await IpAsync(["-n", bridge, "link", "add", "br0", "type", "bridge"], cancellationToken);
        await IpAsync(["-n", bridge, "link", "set", "br0", "up"], cancellationToken);
        for (int node = 1; node <= _nodes; node++)
        {
            string space = Space(node);
            await IpAsync(["netns", "add", space], cancellationToken);
            await IpAsync(["link", "add", $"v{node}", "netns", bridge, "type", "veth", "peer", "name", "eth0", "netns", space], cancellationToken);
            await IpAsync(["-n", bridge, "link", "set", $"v{node}", "master", "br0", "up"], cancellationToken);
            await IpAsync(["-n", space, "addr", "add", $"{At(node)}/24", "dev", "eth0"], cancellationToken);
            await IpAsync(["-n", space, "link", "set", "eth0", "up"], cancellationToken);
            await IpAsync(["-n", space, "link", "set", "lo", "up"], cancellationToken);
        }

        await IpAsync(["link", "add", Cable, "type", "veth", "peer", "name", "home", "netns", bridge], cancellationToken);
        await IpAsync(["-n", bridge, "link", "set", "home", "master", "br0", "up"], cancellationToken);
        await IpAsync(["addr", "add", $"{HomeAddress}/24", "dev", Cable], cancellationToken);
        await IpAsync(["addr", "add", $"{DatabaseAddress}/24", "dev", Cable], cancellationToken);
        await IpAsync(["link", "set", Cable, "up"], cancellationToken);
    }

    private async Task NeighbourAsync(int node, string address, bool cut, CancellationToken cancellationToken)
    {
        if (cut)
            await IpAsync(["-n", Space(node), "neigh", "replace", address, "lladdr", Nowhere, "dev", "eth0", "nud", "permanent"], cancellationToken);
        else
            // Fails where the address was never used.
            _ = await ProgramRun.RunAsync("ip", ["-n", Space(node), "neigh", "del", address, "dev", "eth0"], cancellationToken: cancellationToken);
    }

    private static async Task RemoveLeftoversAsync(CancellationToken cancellationToken)
    {
        string list = (await ProgramRun.RunAsync("ip", ["netns", "list"], cancellationToken: cancellationToken)).Succeeded().Output;
        foreach (string line in list.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string name = line.Split(' ')[0];
            int dash = name.IndexOf('-', StringComparison.Ordinal);
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || dash < 0
                || !int.TryParse(name.AsSpan(Prefix.Length, dash - Prefix.Length), CultureInfo.InvariantCulture, out int owner) || Directory.Exists($"/proc/{owner}"))
                continue;
            _ = await ProgramRun.RunAsync("ip", ["netns", "del", name], cancellationToken: cancellationToken);
        }
    }

    private static Task IpAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) => RunAsync("ip", arguments, cancellationToken);

    private static async Task RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        _ = (await ProgramRun.RunAsync(program, arguments, cancellationToken: cancellationToken)).Succeeded();

    private string Cable => $"{Prefix}{_id}";

    private string Space(int node) => $"{Prefix}{_id}-{node}";

    private string At(int host) => $"{_subnet}.{host}";
}
