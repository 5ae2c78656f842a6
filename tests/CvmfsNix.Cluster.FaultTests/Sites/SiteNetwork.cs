using System.ComponentModel;
using System.Globalization;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Sites;

/// <summary>
/// A network namespace for each site, far apart: what one site sends another arrives after a delay, or never while they are cut off. This
/// machine's own namespace, where builders and watchers are, reaches every site at once and always. The kernel here delays nothing, so the
/// wires between the namespaces are this class. What a run that was killed left behind goes when the next one starts.
/// </summary>
internal sealed class SiteNetwork : IAsyncDisposable
{
    private const string Prefix = "cns";
    private const int Home = 254;
    private const int LongestWait = 20;

    private readonly int _sites;
    private readonly int _owner = Environment.ProcessId;
    private readonly byte[] _subnet = [10, (byte)Random.Shared.Next(64, 250), (byte)Random.Shared.Next(1, 250)];
    private readonly TimeSpan _delay;
    private readonly List<TunDevice> _devices = [];
    private readonly Dictionary<(int From, int To), Queue<(long Due, byte[] Packet)>> _wires = [];
    private readonly Thread _switch;
    private volatile HashSet<int> _away = [];
    private volatile bool _ended;

    private SiteNetwork(int sites, TimeSpan delay)
    {
        (_sites, _delay) = (sites, delay);
        _switch = new Thread(Run) { IsBackground = true, Name = "wires between sites" };
    }

    /// <summary>Makes the network.</summary>
    /// <param name="sites">How many.</param>
    /// <param name="delay">One way, between two sites.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>It, or why there can be none on this machine.</returns>
    public static async Task<(SiteNetwork? Network, string Missing)> TryCreateAsync(int sites, TimeSpan delay, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            return (null, "not root");
        var network = new SiteNetwork(sites, delay);
        try
        {
            await RemoveLeftoversAsync(cancellationToken);
            await network.BuildAsync(cancellationToken);
            return (network, "");
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            await network.DisposeAsync();
            return (null, e.Message.ReplaceLineEndings(" "));
        }
    }

    /// <summary>Where programs of a site run, by its number from 1.</summary>
    public NodePlace Place(int site) => new(At(site), "nsenter", $"--net=/run/netns/{Space(site)}");

    /// <summary>A site and the others hear nothing of each other any more, not even what is on its way.</summary>
    public void CutOff(int site) => _away = [.. _away, site];

    /// <summary>All sites reach each other again.</summary>
    public void Heal() => _away = [];

    public async ValueTask DisposeAsync()
    {
        _ended = true;
        if (_switch.IsAlive)
            _switch.Join();
        foreach (TunDevice device in _devices)
            device.Dispose();
        for (int site = 1; site <= _sites; site++)
            _ = await ProgramRun.RunAsync("ip", ["netns", "del", Space(site)]);
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        _devices.Add(TunDevice.Create(Cable, space: null));
        await IpAsync(["addr", "add", $"{At(Home)}/24", "dev", Cable], cancellationToken);
        await IpAsync(["link", "set", Cable, "txqueuelen", "4000", "up"], cancellationToken);
        for (int site = 1; site <= _sites; site++)
        {
            string space = Space(site);
            await IpAsync(["netns", "add", space], cancellationToken);
            _devices.Add(TunDevice.Create("eth0", space));
            await IpAsync(["-n", space, "addr", "add", $"{At(site)}/24", "dev", "eth0"], cancellationToken);
            await IpAsync(["-n", space, "link", "set", "eth0", "txqueuelen", "4000", "up"], cancellationToken);
            await IpAsync(["-n", space, "link", "set", "lo", "up"], cancellationToken);
        }

        _switch.Start();
    }

    // Device 0 is home, the others are the sites.
    private void Run()
    {
        var buffer = new byte[TunDevice.PacketMax];
        while (!_ended)
        {
            TunDevice.Wait(_devices, NextDue());
            for (int from = 0; from < _devices.Count; from++)
            {
                for (int length; (length = _devices[from].Read(buffer)) > 0;)
                    Take(from, buffer.AsSpan(0, length));
            }

            long now = TimeProvider.System.GetTimestamp();
            foreach (((int from, int to), Queue<(long Due, byte[] Packet)> wire) in _wires)
            {
                while (wire.TryPeek(out (long Due, byte[] Packet) next) && next.Due <= now)
                {
                    wire.Dequeue();
                    if (Reaches(from, to))
                        _devices[to].Write(next.Packet);
                }
            }
        }
    }

    private void Take(int from, ReadOnlySpan<byte> packet)
    {
        // IPv4 to an address of this network; nothing else has anywhere to go.
        if (packet.Length < 20 || packet[0] >> 4 != 4 || !packet[16..19].SequenceEqual(_subnet))
            return;
        int to = packet[19] == Home ? 0 : packet[19];
        if (to > _sites || to == from || !Reaches(from, to))
            return;
        if (from == 0 || to == 0)
        {
            _devices[to].Write(packet);
            return;
        }

        if (!_wires.TryGetValue((from, to), out Queue<(long Due, byte[] Packet)>? wire))
            _wires.Add((from, to), wire = new Queue<(long Due, byte[] Packet)>());
        wire.Enqueue((TimeProvider.System.GetTimestamp() + (long)(_delay.TotalSeconds * TimeProvider.System.TimestampFrequency), packet.ToArray()));
    }

    private bool Reaches(int from, int to) => from == 0 || to == 0 || !(_away.Contains(from) || _away.Contains(to));

    private int NextDue()
    {
        long now = TimeProvider.System.GetTimestamp();
        double wait = LongestWait;
        foreach (Queue<(long Due, byte[] Packet)> wire in _wires.Values)
        {
            if (wire.TryPeek(out (long Due, byte[] Packet) next))
                wait = Math.Min(wait, TimeProvider.System.GetElapsedTime(now, next.Due).TotalMilliseconds);
        }

        return Math.Max(0, (int)Math.Ceiling(wait));
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

    private static async Task IpAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        _ = (await ProgramRun.RunAsync("ip", arguments, cancellationToken: cancellationToken)).Succeeded();

    private string Cable => $"{Prefix}{_owner}";

    private string Space(int site) => $"{Prefix}{_owner}-{site}";

    private string At(int host) => $"{_subnet[0]}.{_subnet[1]}.{_subnet[2]}.{host}";
}
