using System.Collections;
using System.Globalization;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>Turns what was written into <see cref="NodeOptions"/>, or into the list of everything that is wrong with it.</summary>
public sealed partial class NodeOptionsBinder
{
    private const string RoleCore = "core";
    private const string RoleStratum0 = "stratum0";
    private const string RoleStratum1 = "stratum1";
    private readonly RawSettings _settings;
    private readonly List<string> _mistakes;

    private NodeOptionsBinder(RawSettings settings, List<string> mistakes) => (_settings, _mistakes) = (settings, mistakes);

    /// <summary>Reads and checks all sources.</summary>
    /// <param name="arguments">The command line without the program's name.</param>
    /// <param name="environment">Names and values of the environment.</param>
    /// <param name="mistakes">Everything that is wrong, one sentence each; empty when there is a result.</param>
    /// <returns>The options; null when there are mistakes.</returns>
    public static NodeOptions? Bind(IReadOnlyList<string> arguments, IDictionary environment, out IReadOnlyList<string> mistakes)
    {
        var found = new List<string>();
        mistakes = found;
        RawSettings settings = RawSettings.Gather(arguments, environment, found);
        NodeOptions options = new NodeOptionsBinder(settings, found).Build();
        return found.Count == 0 ? options : null;
    }

    private NodeOptions Build()
    {
        string[] roles = Roles();
        bool stratum1 = roles.Contains(RoleStratum1);
        string data = Folder(NodeSwitches.Data, "cvmfsnix-data");
        string[] seeds = stratum1 ? [] : Seeds();
        PortOptions ports = Ports(stratum1);
        JournalChoice journal = stratum1 ? new JournalChoice(null, false) : Journal(seeds.Length > 0);
        MirrorChoice? mirror = Mirror(stratum1);
        return new NodeOptions
        {
            Folders = new FolderOptions(data, Folder(NodeSwitches.Keys, Path.Combine(data, "keys"))),
            Ports = ports,
            Journal = journal,
            Membership = new MembershipOptions(roles, seeds, stratum1 ? 1 : Copies(seeds.Length), Site(), stratum1 ? ClusterTiming.Lan : Timing()),
            Access = Access(ports, stratum1),
            Tls = Tls(),
            Mirror = mirror,
            Geo = Geo(),
            LogLevel = Level(),
            LogJson = LogJson(),
            ManagementWrites = Flag(NodeSwitches.ManagementWrites),
            GcGrace = Time(NodeSwitches.GcGrace, TimeSpan.FromHours(24)),
            ArchiveKeep = Time(NodeSwitches.ArchiveKeep, TimeSpan.FromDays(7)),
            CatalogBytesPerSecond = Size(NodeSwitches.CatalogRate, 64L << 20),
        };
    }

    private string[] Roles()
    {
        if (_settings[NodeSwitches.Roles] is not { } setting)
            return [RoleCore, RoleStratum0];
        string[] roles = [.. List(setting).Distinct(StringComparer.Ordinal)];
        foreach (string role in roles.Where(r => r is not (RoleCore or RoleStratum0 or RoleStratum1)))
            _mistakes.Add($"{setting.Origin}: \"{role}\" is no role; roles are core,stratum0 or stratum1.");
        if (roles.Length == 0)
            _mistakes.Add($"{setting.Origin} names no role; roles are core,stratum0 or stratum1.");
        if (roles.Contains(RoleStratum1))
        {
            if (roles.Length > 1)
                _mistakes.Add($"{setting.Origin}: stratum1 stands alone; it is no member of the cluster.");
        }
        else if (roles.Contains(RoleStratum0) != roles.Contains(RoleCore))
        {
            _mistakes.Add(roles.Contains(RoleCore)
                ? $"{setting.Origin}: the role core without stratum0 is not in this version; write core,stratum0."
                : $"{setting.Origin}: stratum0 goes with core; write core,stratum0.");
        }

        return roles;
    }

    private string Folder(NodeSwitch name, string otherwise)
    {
        string? value = _settings[name]?.Value;
        if (value is { Length: 0 } || value?.Contains('\0', StringComparison.Ordinal) == true)
        {
            _mistakes.Add($"{_settings[name]!.Value.Origin} names no folder.");
            value = null;
        }

        return Path.GetFullPath(value ?? otherwise);
    }

    private PortOptions Ports(bool stratum1)
    {
        BindAddress http = Address(NodeSwitches.Http, 8000);
        BindAddress grpc = Address(NodeSwitches.Grpc, 9110);
        BindAddress management = Address(NodeSwitches.Management, 8558);
        BindAddress remoting = Address(NodeSwitches.Remoting, 8110);
        (NodeSwitch Name, BindAddress Address)[] all =
            [.. Open((NodeSwitches.Http, http), (NodeSwitches.Grpc, grpc), (NodeSwitches.Management, management), (NodeSwitches.Remoting, remoting), stratum1)];
        foreach (var group in all.Where(p => p.Address.Port != 0).GroupBy(p => p.Address).Where(g => g.Count() > 1))
            _mistakes.Add($"{string.Join(" and ", group.Select(p => "--" + p.Name.Name))} are the same address {group.Key}.");

        string? publicHost = _settings[NodeSwitches.PublicHost]?.Value;
        if (publicHost is not null && Uri.CheckHostName(publicHost) == UriHostNameType.Unknown)
            _mistakes.Add($"{_settings[NodeSwitches.PublicHost]!.Value.Origin}: \"{publicHost}\" is no host name or address.");
        if (!stratum1 && remoting.IsAny && publicHost is null)
            _mistakes.Add($"--remoting {remoting} is every address of this machine, so the others need --public-host NAME to reach it.");
        return new PortOptions(http, grpc, management, remoting, publicHost);
    }

    // A stratum1 has no cluster port, and a control port only when it is asked for.
    private IEnumerable<(NodeSwitch Name, BindAddress Address)> Open(
        (NodeSwitch, BindAddress) http, (NodeSwitch, BindAddress) grpc, (NodeSwitch, BindAddress) management, (NodeSwitch, BindAddress) remoting, bool stratum1)
    {
        yield return http;
        if (!stratum1 || _settings[NodeSwitches.Grpc] is not null)
            yield return grpc;
        yield return management;
        if (!stratum1)
            yield return remoting;
    }

    private BindAddress Address(NodeSwitch name, int port)
    {
        var otherwise = new BindAddress("127.0.0.1", port);
        if (_settings[name] is not { } setting)
            return otherwise;
        if (BindAddress.TryParse(setting.Value, out BindAddress? address))
            return address!;
        _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is not HOST:PORT, as in 127.0.0.1:{port}.");
        return otherwise;
    }

    private JournalChoice Journal(bool cluster)
    {
        bool init = Flag(NodeSwitches.JournalInit);
        bool allowUnsafe = Flag(NodeSwitches.AllowUnsafeJournal);
        RawSetting? given = _settings[NodeSwitches.Journal];
        if (given is not { } setting || setting.Value == "sqlite")
        {
            if (cluster)
                _mistakes.Add("--seed makes a cluster of several nodes, and these cannot share a SQLite journal; give --journal a PostgreSQL connection string.");
            return new JournalChoice(null, init, allowUnsafe);
        }

        try
        {
            var connection = new NpgsqlConnectionStringBuilder(setting.Value);
            if (string.IsNullOrEmpty(connection.Host))
                _mistakes.Add($"{setting.Origin} is neither sqlite nor a connection string with a Host, as in Host=db;Username=cvmfsnix;Database=cvmfsnix.");
            if (setting.Visible && !string.IsNullOrEmpty(connection.Password))
                _mistakes.Add($"{setting.Origin} holds a password others can read; use PGPASSWORD, PGPASSFILE, or the whole string in {NodeSwitches.Journal.EnvironmentVariable}.");
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            // The exception's text may repeat a part of the value, and the value may hold a password.
            _mistakes.Add($"{setting.Origin} is neither sqlite nor an Npgsql connection string, as in Host=db;Username=cvmfsnix;Database=cvmfsnix.");
        }

        return new JournalChoice(setting.Value, init, allowUnsafe);
    }

    private string[] Seeds()
    {
        if (_settings[NodeSwitches.Seed] is not { } setting)
            return [];
        string[] seeds = List(setting);
        foreach (string seed in seeds)
        {
            if (!BindAddress.TryParse(seed, out BindAddress? address) || address!.Port == 0 || address.IsAny)
                _mistakes.Add($"{setting.Origin}: \"{seed}\" is no remoting address HOST:PORT of a node.");
        }

        foreach (string twice in seeds.GroupBy(s => s, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1).Select(g => g.Key))
            _mistakes.Add($"{setting.Origin} names {twice} more than once.");
        return seeds;
    }

    private int Copies(int seeds)
    {
        int otherwise = seeds > 0 ? 2 : 1;
        if (_settings[NodeSwitches.Copies] is not { } setting)
            return otherwise;
        if (!int.TryParse(setting.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int copies) || copies is < 1 or > 100)
        {
            _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is not a whole number from 1 to 100.");
            return otherwise;
        }

        if (seeds == 0 && copies > 1)
            _mistakes.Add($"{setting.Origin}: a cluster of one has one store, so it cannot keep {copies} copies; give --seed or drop --copies.");
        return copies;
    }

    private string Site()
    {
        if (_settings[NodeSwitches.Site] is not { } setting)
            return "default";
        if (setting.Value.Length is < 1 or > 64 || !setting.Value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is no site name: 1 to 64 letters, digits, dots, dashes or underscores.");
        return setting.Value;
    }

    private TimeSpan Time(NodeSwitch name, TimeSpan none)
    {
        if (_settings[name] is not { } setting)
            return none;
        long unit = setting.Value.Length < 2 ? 0 : setting.Value[^1] switch { 's' => 1, 'm' => 60, 'h' => 3_600, 'd' => 86_400, _ => 0 };
        if (unit > 0 && int.TryParse(setting.Value.AsSpan(0, setting.Value.Length - 1), System.Globalization.NumberStyles.None, null, out int count) && count > 0 && count <= 3_650L * 86_400 / unit)
            return TimeSpan.FromSeconds(count * unit);
        _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is not a time from 1s to 3650d, such as 90s, 15m, 12h or 30d.");
        return none;
    }

    private long Size(NodeSwitch name, long none)
    {
        if (_settings[name] is not { } setting)
            return none;
        if (setting.Value == "0")
            return 0;
        int shift = setting.Value.Length < 2 ? 0 : setting.Value[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        if (shift > 0 && int.TryParse(setting.Value.AsSpan(0, setting.Value.Length - 1), System.Globalization.NumberStyles.None, null, out int count) && count > 0)
            return (long)count << shift;
        _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is not a size such as 500K, 64M or 1G, or 0.");
        return none;
    }

    private ClusterTiming Timing()
    {
        switch (_settings[NodeSwitches.Timing]?.Value)
        {
            case null or "lan": return ClusterTiming.Lan;
            case "wan": return ClusterTiming.Wan;
            default:
                _mistakes.Add($"{_settings[NodeSwitches.Timing]!.Value.Origin}: \"{_settings[NodeSwitches.Timing]!.Value.Value}\" is neither lan nor wan.");
                return ClusterTiming.Lan;
        }
    }

    private AccessOptions Access(PortOptions ports, bool stratum1)
    {
        RawSetting? tokens = _settings[NodeSwitches.TokenFile];
        bool insecure = Flag(NodeSwitches.Insecure);
        OidcOptions? oidc = stratum1 ? null : Oidc();
        bool required = !stratum1 && (Flag(NodeSwitches.RequireTokens) | oidc is not null);
        if (required && insecure)
            _mistakes.Add($"--insecure switches tokens off and {(_settings[NodeSwitches.RequireTokens] ?? _settings[NodeSwitches.OidcIssuer])!.Value.Origin} switches them on; give one of them.");
        if (tokens is { } given)
        {
            if (insecure)
                _mistakes.Add($"--insecure switches tokens off and {given.Origin} switches them on; give one of them.");
            if (!File.Exists(given.Value))
                _mistakes.Add($"{given.Origin}: the file {given.Value} does not exist; it holds one token a line.");
        }
        else if (!insecure && !required)
        {
            string[] open =
            [
                .. Open((NodeSwitches.Http, ports.Http), (NodeSwitches.Grpc, ports.Grpc), (NodeSwitches.Management, ports.Management), (NodeSwitches.Remoting, ports.Remoting), stratum1)
                    .Where(p => !p.Address.IsLoopback).Select(p => $"--{p.Name.Name} {p.Address}"),
            ];
            if (open.Length > 0)
                _mistakes.Add($"{string.Join(", ", open)} can be reached by others; give --token-file FILE or --require-tokens to ask them for a token, or --insecure to let everyone write.");
        }

        string? file = tokens?.Value is { Length: > 0 } name ? Path.GetFullPath(name) : null;
        return new AccessOptions(file, required || file is not null, Flag(NodeSwitches.ManagementOpen), oidc);
    }

    private bool LogJson()
    {
        if (_settings[NodeSwitches.LogFormat] is not { } setting)
            return false;
        if (setting.Value is not ("text" or "json"))
            _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is neither text nor json.");
        return setting.Value == "json";
    }

    private LogLevel Level()
    {
        if (_settings[NodeSwitches.LogLevel] is not { } setting)
            return LogLevel.Information;
        switch (setting.Value.ToLowerInvariant())
        {
            case "trace": return LogLevel.Trace;
            case "debug": return LogLevel.Debug;
            case "information" or "info": return LogLevel.Information;
            case "warning": return LogLevel.Warning;
            case "error": return LogLevel.Error;
            default:
                _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is none of trace, debug, information, warning, error.");
                return LogLevel.Information;
        }
    }

    private bool Flag(NodeSwitch name)
    {
        if (_settings[name] is not { } setting)
            return false;
        switch (setting.Value.ToLowerInvariant())
        {
            case "true" or "1": return true;
            case "false" or "0": return false;
            default:
                _mistakes.Add($"{setting.Origin}: \"{setting.Value}\" is neither true nor false.");
                return false;
        }
    }

    private static string[] List(RawSetting setting) =>
        setting.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool IsHttp(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}
