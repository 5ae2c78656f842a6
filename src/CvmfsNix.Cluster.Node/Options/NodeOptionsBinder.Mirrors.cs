using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>The settings of a stratum1, and where hosts are.</summary>
public sealed partial class NodeOptionsBinder
{
    private const int PublicKeySizeMax = 1 << 20;

    private MirrorChoice? Mirror(bool stratum1)
    {
        foreach (NodeSwitch name in NodeSwitches.OfStratum1Only)
        {
            if (_settings[name] is { } setting && !stratum1)
                _mistakes.Add($"{setting.Origin} is a setting of the role stratum1 only.");
        }

        // The environment may be shared with core nodes; what was written for this one is meant.
        foreach (NodeSwitch name in NodeSwitches.OfCoreOnly)
        {
            if (stratum1 && _settings[name] is { Visible: true } setting && !(name == NodeSwitches.Journal && setting.Value == "sqlite"))
                _mistakes.Add($"{setting.Origin} is a setting of core nodes; a stratum1 is no member of the cluster and has a journal of its own.");
        }

        Uri[] cores = Urls(NodeSwitches.Core), siblings = Urls(NodeSwitches.Sibling), follow = Urls(NodeSwitches.Follow);
        string[] repositories = _settings[NodeSwitches.Repo] is { } repo ? List(repo) : [];
        foreach (string fqrn in repositories.Where(r => !RepositoryName.IsValid(r)))
            _mistakes.Add($"{_settings[NodeSwitches.Repo]!.Value.Origin}: \"{fqrn}\" is no repository name, as in software.example.org.");
        if (_settings[NodeSwitches.ReplicaId] is { } id && !IsReplicaId(id.Value))
            _mistakes.Add($"{id.Origin}: \"{id.Value}\" is no replica id: 1 to 64 letters, digits, dots, dashes or underscores.");
        if (_settings[NodeSwitches.Follow] is null != _settings[NodeSwitches.Pubkey] is null)
            _mistakes.Add("--follow URL and --pubkey FILE go together.");
        if (!stratum1)
            return null;
        if (_settings[NodeSwitches.Core] is null == _settings[NodeSwitches.Follow] is null)
            _mistakes.Add("a stratum1 needs --core URL[,URL] to mirror a cluster, or --follow URL --pubkey FILE to mirror a stock server; give one of them.");
        return new MirrorChoice(
            cores, _settings[NodeSwitches.ReplicaId]?.Value, repositories, siblings, Stock(follow, repositories), _settings[NodeSwitches.Grpc] is not null);
    }

    /// <summary>Whether a text can be the id of a replica.</summary>
    internal static bool IsReplicaId(string text) => text.Length is >= 1 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    private StockSource? Stock(Uri[] urls, string[] repositories)
    {
        if (_settings[NodeSwitches.Follow] is not { } follow || _settings[NodeSwitches.Pubkey] is not { } key)
            return null;
        KeyMistake(key);
        if (urls.Length == 0)
            return null;
        string[] names = [.. urls.Select(u => Uri.UnescapeDataString(u.Segments[^1].TrimEnd('/'))).Concat(repositories).Distinct(StringComparer.Ordinal)];
        string? repository = names.Length == 1 && RepositoryName.IsValid(names[0]) ? names[0] : null;
        if (repository is null)
            _mistakes.Add($"{follow.Origin}: a URL of one repository is expected, as in http://stratum0.example.org/cvmfs/software.example.org{(repositories.Length > 0 ? ", and --repo must not name another one" : "")}.");
        return new StockSource(repository ?? "", urls, Path.GetFullPath(key.Value));
    }

    private void KeyMistake(RawSetting key)
    {
        try
        {
            var file = new FileInfo(key.Value);
            if (!file.Exists)
                _mistakes.Add($"{key.Origin}: the file {key.Value} does not exist; it is the repository's public key, as clients have it.");
            else if (file.Length > PublicKeySizeMax || !PemEncoding.TryFind(File.ReadAllText(key.Value), out _))
                _mistakes.Add($"{key.Origin}: the file {key.Value} holds no public key in PEM form (-----BEGIN PUBLIC KEY-----).");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _mistakes.Add($"{key.Origin}: the file {key.Value} cannot be read: {e.Message}");
        }
    }

    private Uri[] Urls(NodeSwitch name)
    {
        if (_settings[name] is not { } setting)
            return [];
        string[] texts = List(setting);
        if (texts.Length == 0)
            _mistakes.Add($"{setting.Origin} names no URL.");
        foreach (string text in texts.Where(u => !IsHttp(u)))
            _mistakes.Add($"{setting.Origin}: \"{text}\" is no http:// or https:// URL.");
        return [.. texts.Where(IsHttp).Select(u => new Uri(u.TrimEnd('/'))).Distinct()];
    }

    private List<GeoSite> Geo()
    {
        var sites = new List<GeoSite>();
        if (_settings[NodeSwitches.Geo] is not { } setting)
            return sites;
        foreach (string text in List(setting))
        {
            if (GeoSiteOf(text) is { } site)
                sites.Add(site);
            else
                _mistakes.Add($"{setting.Origin}: \"{text}\" is not NAME=LAT:LON with degrees from -90 to 90 and -180 to 180, as in s1.example.org=46.2:6.1 or 10.1.0.0/16=51.5:-0.1.");
        }

        return sites;
    }

    private static GeoSite? GeoSiteOf(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        int colon = text.LastIndexOf(':');
        if (equals <= 0 || colon < equals)
            return null;
        string name = text[..equals].Trim();
        bool named = IPNetwork.TryParse(name, out _) || Uri.CheckHostName(name) != UriHostNameType.Unknown;
        return named && Degrees(text.AsSpan(equals + 1, colon - equals - 1), 90) is { } latitude && Degrees(text.AsSpan(colon + 1), 180) is { } longitude
            ? new GeoSite(name, latitude, longitude)
            : null;
    }

    private static double? Degrees(ReadOnlySpan<char> text, double max) =>
        double.TryParse(text.Trim(), NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double degrees) && Math.Abs(degrees) <= max ? degrees : null;
}
