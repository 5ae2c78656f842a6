using System.Globalization;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>A command line of the shell: <c>[host:port] [palette command [-switch value]…]</c> and its own switches, anywhere in it.</summary>
internal sealed record PbmArguments
{
    private static readonly TimeSpan WatchUsual = TimeSpan.FromSeconds(2);

    /// <summary>URL of the control port; null = from the environment, or the default.</summary>
    public string? Server { get; init; }

    /// <summary>The host as the operator wrote it.</summary>
    public string? Host { get; init; }

    public string? TokenFile { get; init; }

    /// <summary>Files of TLS.</summary>
    public TlsFiles Tls { get; init; } = new(null, null, null);

    public double? Timeout { get; init; }

    public bool Json { get; init; }

    /// <summary>Confirms what cannot be taken back.</summary>
    public bool Yes { get; init; }

    /// <summary>How often to ask again; null = once.</summary>
    public TimeSpan? Watch { get; init; }

    public bool Help { get; init; }

    public bool Version { get; init; }

    /// <summary>The command and all that is not for the shell.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>Reads a command line.</summary>
    /// <exception cref="CliException">All mistakes at once.</exception>
    public static PbmArguments Parse(IReadOnlyList<string> args)
    {
        var result = new PbmArguments();
        var words = new List<string>();
        var mistakes = new List<string>();
        for (int i = 0; i < args.Count; i++)
        {
            string arg = args[i];
            switch (arg)
            {
                case "--json":
                    result = result with { Json = true };
                    break;
                case "--yes" or "-y":
                    result = result with { Yes = true };
                    break;
                case "--help" or "-h":
                    result = result with { Help = true };
                    break;
                case "--version":
                    result = result with { Version = true };
                    break;
                case "--watch":
                    bool said = i + 1 < args.Count && double.TryParse(args[i + 1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _);
                    result = result with { Watch = said ? Seconds("--watch", args[++i], mistakes) : WatchUsual };
                    break;
                case "--token-file" or "--timeout" or "--server" or "--tls-ca" or "--tls-cert" or "--tls-key" when i + 1 == args.Count:
                    mistakes.Add($"{arg} needs a value.");
                    break;
                case "--token-file":
                    result = result with { TokenFile = args[++i] };
                    break;
                case "--tls-ca":
                    result = result with { Tls = result.Tls with { Ca = args[++i] } };
                    break;
                case "--tls-cert":
                    result = result with { Tls = result.Tls with { Certificate = args[++i] } };
                    break;
                case "--tls-key":
                    result = result with { Tls = result.Tls with { Key = args[++i] } };
                    break;
                case "--timeout":
                    result = result with { Timeout = Seconds(arg, args[++i], mistakes)?.TotalSeconds };
                    break;
                case "--server":
                    result = result with { Server = args[++i], Host = args[i] };
                    break;
                default:
                    if (words.Count == 0 && result.Host is null && Url(arg) is { } url)
                        result = result with { Server = url, Host = arg };
                    else
                        words.Add(arg);
                    break;
            }
        }

        return mistakes.Count == 0 ? result with { Words = words } : throw CliException.Usage(string.Join(' ', mistakes), "pbm", "pbm --help lists what it takes");
    }

    // HOST:PORT or a URL; a command never has a colon.
    private static string? Url(string word)
    {
        if (Uri.TryCreate(word, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https" && word.Contains("://", StringComparison.Ordinal))
            return word;
        int colon = word.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(word.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _) && Uri.TryCreate("http://" + word, UriKind.Absolute, out _) ? "http://" + word : null;
    }

    private static TimeSpan? Seconds(string name, string text, List<string> mistakes)
    {
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 3e8)
            return TimeSpan.FromSeconds(seconds);
        mistakes.Add($"{name}: \"{text}\" is no number of seconds above 0.");
        return null;
    }
}
