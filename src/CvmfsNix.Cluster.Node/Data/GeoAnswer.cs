using System.Globalization;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// The answer to a client that asks for its nearest servers: the numbers from 1 in the order to try them. This server has no
/// location data, so the order asked is the answer; only the mark between servers and fallback proxies moves to the end, as clients expect.
/// </summary>
public static class GeoAnswer
{
    private const string ProxySeparator = "+PXYSEP+";
    private const int HostsMax = 256;

    /// <summary>The line to answer, with its newline; null when the question is malformed.</summary>
    /// <param name="hosts">Comma-separated names without scheme and port.</param>
    public static string? For(string hosts)
    {
        ArgumentNullException.ThrowIfNull(hosts);
        string[] names = hosts.Split(',');
        if (names.Length > HostsMax || names.Any(n => n.Length == 0 || (n != ProxySeparator && !n.All(IsHostCharacter))))
            return null;
        var ordered = Enumerable.Range(0, names.Length).OrderBy(i => names[i] == ProxySeparator ? 1 : 0);
        return string.Join(',', ordered.Select(i => (i + 1).ToString(CultureInfo.InvariantCulture))) + "\n";
    }

    private static bool IsHostCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '[' or ']';
}
