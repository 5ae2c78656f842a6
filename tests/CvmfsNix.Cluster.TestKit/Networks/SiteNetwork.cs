using System.ComponentModel;
using System.Globalization;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.TestKit.Networks;

/// <summary>
/// A network namespace for each site, far apart: what one site sends another arrives after a delay, or never while they are cut off. This
/// machine's own namespace, where builders and watchers are, reaches every site at once and always. The kernel here delays nothing, so the
/// wires between the namespaces are this class. What a run that was killed left behind goes when the next one starts.
/// </summary>
public sealed class SiteNetwork : IAsyncDisposable
{
    private const string Prefix = "cns";
    private const int Home = 254;
    private const int LongestWait = 20;

    private static int s_made;

    private readonly int _sites;
    private readonly int _owner = Environment.ProcessId;
    private readonly int _number = Interlocked.Increment(ref s_made);
    private readonly byte[] _subnet = [10, (byte)Random.Shared.Next(64, 250), (byte)Random.Shared.Next(1, 250)];
    private readonly Func<int, int, TimeSpan> _delay;
    private readonly List<TunDevice> _devices = [];
    private readonly Dictionary<(int From, int To), Queue<(long Due, byte[] Packet)>> _wires = [];
    private readonly WireMeter _meter;
    private readonly Thread _switch;
    private volatile HashSet<int> _away = [];
    private volatile WireDamage? _damage;
    private volatile bool _ended;

    private SiteNetwork(int sites, Func<int, int, TimeSpan> delay)
    {
        (_sites, _delay) = (sites, delay);
        _meter = new WireMeter(sites);
        _switch = new Thread(Run) { IsBackground = true, Name = "wires between sites" };
    }

    /// <summary>Makes the network.</summary>
    /// <param name="sites">How many.</param>
    /// <param name="delay">One way, between two sites.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>It, or why there can be none on this machine.</returns>
    public static Task<(SiteNetwork? Network, string Missing)> TryCreateAsync(int sites, TimeSpan delay, CancellationToken cancellationToken) =>
        TryCreateAsync(sites, (_, _) => delay, cancellationToken);

    /// <summary>Makes the network.</summary>
    /// <param name="sites">How many.</param>
    /// <param name="delay">One way, from one site to another.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>It, or why there can be none on this machine.</returns>
    public static async Task<(SiteNetwork? Network, string Missing)> TryCreateAsync(int sites, Func<int, int, TimeSpan> delay, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            return (null, "not root");
        var network = new SiteNetwork(sites, delay);
        try
        {
            await RemoveLeftoversAsync(cancellationToken).ConfigureAwait(false);
            await network.BuildAsync(cancellationToken).ConfigureAwait(false);
            return (network, "");
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            await network.DisposeAsync().ConfigureAwait(false);
            return (null, e.Message.ReplaceLineEndings(" "));
        }
    }

    /// <summary>Where programs of a site run, by its number from 1.</summary>
    public NodePlace Place(int site) => new(At(site), "nsenter", $"--net=/run/netns/{Space(site)}");

    /// <summary>A site and the others hear nothing of each other any more, not even what is on its way.</summary>
    public void CutOff(int site) => _away = [.. _away, site];

    /// <summary>All sites reach each other again.</summary>
    public void Heal() => _away = [];

    /// <summary>Bytes that came from one site (0 = this machine's own namespace) to another; what was lost on the way is not among them.</summary>
    public long Carried(int from, int to) => _meter.Carried(from, to);

    /// <summary>Bytes that a site's interface has received, by its own counter, from all others and this machine's own namespace.</summary>
    public async Task<long> ReceivedAsync(int site, CancellationToken cancellationToken)
    {
        ProgramRun run = (await ProgramRun.RunAsync("ip", ["-n", Space(site), "-s", "-j", "link", "show", "dev", "eth0"], cancellationToken: cancellationToken).ConfigureAwait(false)).Succeeded();
        return run.Json[0].GetProperty("stats64").GetProperty("rx").GetProperty("bytes").GetInt64();
    }

    /// <summary>Does something the moment another so many bytes have come from one site to another, on the wire's own thread.</summary>
    /// <returns>Ends when it is done.</returns>
    public Task AfterAsync(int from, int to, long bytes, Action action) => _meter.AfterAsync(from, to, bytes, action);

    /// <summary>From now on the wire between two sites damages some packets of a port in a way that checksums do not show; null ends it.</summary>
    public void Damage(WireDamage? damage) => _damage = damage;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _ended = true;
        if (_switch.IsAlive)
            _switch.Join();
        foreach (TunDevice device in _devices)
            device.Dispose();
        for (int site = 1; site <= _sites; site++)
            _ = await ProgramRun.RunAsync("ip", ["netns", "del", Space(site)]).ConfigureAwait(false);
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        _devices.Add(TunDevice.Create(Cable, space: null));
        await IpAsync(["addr", "add", $"{At(Home)}/24", "dev", Cable], cancellationToken).ConfigureAwait(false);
        await IpAsync(["link", "set", Cable, "txqueuelen", "4000", "up"], cancellationToken).ConfigureAwait(false);
        for (int site = 1; site <= _sites; site++)
        {
            string space = Space(site);
            await IpAsync(["netns", "add", space], cancellationToken).ConfigureAwait(false);
            _devices.Add(TunDevice.Create("eth0", space));
            await IpAsync(["-n", space, "addr", "add", $"{At(site)}/24", "dev", "eth0"], cancellationToken).ConfigureAwait(false);
            await IpAsync(["-n", space, "link", "set", "eth0", "txqueuelen", "4000", "up"], cancellationToken).ConfigureAwait(false);
            await IpAsync(["-n", space, "link", "set", "lo", "up"], cancellationToken).ConfigureAwait(false);
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
                    if (!Reaches(from, to))
                        continue;
                    _devices[to].Write(next.Packet);
                    _meter.Count(from, to, next.Packet.Length);
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
            _meter.Count(from, to, packet.Length);
            return;
        }

        if (!_wires.TryGetValue((from, to), out Queue<(long Due, byte[] Packet)>? wire))
            _wires.Add((from, to), wire = new Queue<(long Due, byte[] Packet)>());
        byte[] travelling = packet.ToArray();
        _damage?.Touch(from, to, travelling);
        wire.Enqueue((TimeProvider.System.GetTimestamp() + (long)(_delay(from, to).TotalSeconds * TimeProvider.System.TimestampFrequency), travelling));
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
        string list = (await ProgramRun.RunAsync("ip", ["netns", "list"], cancellationToken: cancellationToken).ConfigureAwait(false)).Succeeded().Output;
        foreach (string line in list.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string name = line.Split(' ')[0];
            int dash = name.IndexOf('-', StringComparison.Ordinal);
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || dash < 0
                || !int.TryParse(name.AsSpan(Prefix.Length, dash - Prefix.Length), CultureInfo.InvariantCulture, out int owner) || Directory.Exists($"/proc/{owner}"))
                continue;
            _ = await ProgramRun.RunAsync("ip", ["netns", "del", name], cancellationToken: cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task IpAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        _ = (await ProgramRun.RunAsync("ip", arguments, cancellationToken: cancellationToken).ConfigureAwait(false)).Succeeded();

    private string Cable => $"{Prefix}{_owner}.{_number}";

    private string Space(int site) => $"{Prefix}{_owner}-{_number}-{site}";

    private string At(int host) => $"{_subnet[0]}.{_subnet[1]}.{_subnet[2]}.{host}";
}
