using System.CommandLine;
using System.Net.Security;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Tls;

namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>Switches that every command takes.</summary>
internal sealed class GlobalOptions
{
    public const string ServerVariable = "CVMFSNIX_SERVER";
    public const string TokenVariable = "CVMFSNIX_TOKEN";
    public const string TlsCaVariable = "CVMFSNIX_TLS_CA";
    public const string TlsCertVariable = "CVMFSNIX_TLS_CERT";
    public const string TlsKeyVariable = "CVMFSNIX_TLS_KEY";
    public const string DefaultServer = "http://127.0.0.1:9110";

    private readonly Func<string, string?> _environment;

    public GlobalOptions(Func<string, string?> environment)
    {
        _environment = environment;
        Server = new Option<string?>("--server")
        {
            Description = $"Control address of a node, or several with commas between [{ServerVariable}; default {DefaultServer}]",
            HelpName = "URL[,URL]",
            Recursive = true,
        };
        TokenFile = new Option<string?>("--token-file")
        {
            Description = $"File that holds the access token [{TokenVariable}: the token itself, or the path of such a file]",
            HelpName = "FILE",
            Recursive = true,
        };
        TlsCa = new Option<string?>("--tls-ca")
        {
            Description = $"Authorities of the nodes' certificates, PEM [{TlsCaVariable}; default: those of the machine]",
            HelpName = "FILE",
            Recursive = true,
        };
        TlsCert = new Option<string?>("--tls-cert")
        {
            Description = $"Certificate to show to nodes that ask for one, PEM [{TlsCertVariable}]",
            HelpName = "FILE",
            Recursive = true,
        };
        TlsKey = new Option<string?>("--tls-key")
        {
            Description = $"Its private key, PEM [{TlsKeyVariable}; default: the file of --tls-cert]",
            HelpName = "FILE",
            Recursive = true,
        };
        Timeout = new Option<double?>("--timeout")
        {
            Description = "Seconds: for one answer (default 60); for publish and wait in all (default: no limit)",
            HelpName = "SECONDS",
            Recursive = true,
        };
        Json = new Option<bool>("--json") { Description = "Print the result as JSON", Recursive = true };
        Server.Validators.Add(r => Check(r.GetValueOrDefault<string?>(), "--server", r.AddError));
        Timeout.Validators.Add(r =>
        {
            // Ten years: beyond any use, and far from where time arithmetic overflows.
            if (r.Tokens is [var token] && double.TryParse(token.Value, out double seconds) && !(seconds is > 0 and < 3e8))
                r.AddError("--timeout is a number of seconds above 0.");
        });
    }

    public Option<string?> Server { get; }

    public Option<string?> TokenFile { get; }

    public Option<string?> TlsCa { get; }

    public Option<string?> TlsCert { get; }

    public Option<string?> TlsKey { get; }

    public Option<double?> Timeout { get; }

    public Option<bool> Json { get; }

    /// <summary>Where to ask and with what right.</summary>
    /// <exception cref="CliException">The environment or the token file is wrong.</exception>
    public ControlSettings Settings(ParseResult parse) => Settings(
        parse.GetValue(Server), parse.GetValue(TokenFile), parse.GetValue(Timeout), new TlsFiles(parse.GetValue(TlsCa), parse.GetValue(TlsCert), parse.GetValue(TlsKey)));

    /// <summary>Where to ask and with what right.</summary>
    /// <param name="server">As of <see cref="Server"/>; null = from the environment, or the default.</param>
    /// <param name="tokenFile">As of <see cref="TokenFile"/>; null = from the environment, or none.</param>
    /// <param name="timeout">Seconds; null = not said.</param>
    /// <param name="tls">As of the switches of TLS; what is null is taken from the environment.</param>
    /// <exception cref="CliException">The environment or a file is wrong.</exception>
    public ControlSettings Settings(string? server, string? tokenFile, double? timeout, TlsFiles? tls = null)
    {
        string servers = server ?? NonEmpty(_environment(ServerVariable)) ?? DefaultServer;
        List<string> mistakes = [];
        Check(servers, ServerVariable, mistakes.Add);
        if (mistakes.Count > 0)
            throw CliException.Usage(string.Join(" ", mistakes), servers, $"give addresses like {DefaultServer}");

        return new ControlSettings(
            [.. servers.Split(',').Select(s => new Uri(s.Trim()))],
            Token(tokenFile),
            timeout is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            Tls(tls ?? new TlsFiles(null, null, null)));
    }

    /// <summary>A variable of the environment; null where it is not set, or empty.</summary>
    public string? Variable(string name) => NonEmpty(_environment(name));

    private SslClientAuthenticationOptions? Tls(TlsFiles said)
    {
        string? ca = said.Ca ?? Variable(TlsCaVariable), certificate = said.Certificate ?? Variable(TlsCertVariable), key = said.Key ?? Variable(TlsKeyVariable);
        if (key is not null && certificate is null)
            throw CliException.Usage("--tls-key needs --tls-cert.", key, $"name the certificate too ({TlsCertVariable})");
        if (ca is null && certificate is null)
            return null;
        try
        {
            return TlsClient.Options(
                ca is null ? null : new PemTrust(ca),
                certificate is null ? null : new PemIdentity(certificate, key ?? certificate));
        }
        catch (InvalidDataException e)
        {
            throw CliException.Usage(e.Message, ca ?? certificate!, "name readable PEM files");
        }
    }

    private string? Token(string? tokenFile)
    {
        if (tokenFile is not null)
            return ReadToken(tokenFile);
        string? fromEnvironment = NonEmpty(_environment(TokenVariable));
        return fromEnvironment is not null && fromEnvironment.StartsWith('/') ? ReadToken(fromEnvironment) : fromEnvironment;
    }

    private static string ReadToken(string file)
    {
        const string Hint = "name a readable file that holds one token";
        string token;
        try
        {
            token = File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The token file cannot be read: {e.Message}", file, Hint);
        }

        // A header value: anything else would fail later, with a message that might show the token.
        return token.Length > 0 && token.All(c => c is > ' ' and <= '~')
            ? token
            : throw CliException.Usage("The token file does not hold one token of printable characters.", file, Hint);
    }

    private static void Check(string? servers, string source, Action<string> complain)
    {
        if (servers is null)
            return;
        foreach (string server in servers.Split(','))
        {
            if (!Uri.TryCreate(server.Trim(), UriKind.Absolute, out Uri? uri)
                || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps))
                complain($"{source}: \"{server.Trim()}\" is not a URL such as {DefaultServer}.");
        }
    }

    private static string? NonEmpty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}

/// <summary>PEM files of TLS, as switches name them; null = not said.</summary>
/// <param name="Ca">Whom to believe.</param>
/// <param name="Certificate">What to show.</param>
/// <param name="Key">Its key.</param>
internal sealed record TlsFiles(string? Ca, string? Certificate, string? Key);
