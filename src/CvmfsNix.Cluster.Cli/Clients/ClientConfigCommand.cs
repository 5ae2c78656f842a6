using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Clients;

/// <summary><c>client-config</c>: what a stock CernVM-FS client, or a <c>nix.conf</c>, needs to use a repository.</summary>
internal static class ClientConfigCommand
{
    private const string ForCvmfs = "cvmfs";
    private const string ForNix = "nix";

    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var client = new Option<string>("--for") { Description = "The client: CernVM-FS (default), or Nix", HelpName = "cvmfs|nix", DefaultValueFactory = _ => ForCvmfs };
        client.AcceptOnlyFromAmong(ForCvmfs, ForNix);
        var urls = new Option<string[]>("--url") { Description = "Base URL of a node that clients reach, such as http://s1.example.org:8000; repeatable, nearest first (default: the node that answers)", HelpName = "URL" };
        var proxy = new Option<string?>("--proxy") { Description = "Proxies of the site, as CVMFS_HTTP_PROXY has them (default: DIRECT)", HelpName = "LIST" };
        var command = new Command("client-config", "Print what clients need to use a repository") { repository, client, urls, proxy };
        urls.Validators.Add(r =>
        {
            foreach (string text in r.Tokens.Select(static token => token.Value))
            {
                if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || text.Any(static c => c is '"' or ';' or ' ' or '\''))
                    r.AddError($"--url: \"{text}\" is not a URL such as http://s1.example.org:8000.");
            }
        });
        proxy.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } text && (text.Length == 0 || text.Any(static c => c is '"' or '\'' or '\\' or '$' or '`' || char.IsControl(c))))
                r.AddError("--proxy is a list such as http://proxy1:3128|http://proxy2:3128;DIRECT, without quotes.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            RepositoryInfo info = await RepositoryQuery.GetAsync(control, parse.GetValue(repository)!, cancellationToken);
            string[] bases = parse.GetValue(urls) is { Length: > 0 } given
                ? [.. given.Select(static url => url.TrimEnd('/'))]
                : [Base(info)];
            ClientConfigJson config = Make(info, bases, parse.GetValue(proxy) ?? "DIRECT");
            if (context.Json(parse))
                context.Terminal.Json(config, JsonShapes.Plain.ClientConfigJson);
            else
                context.Terminal.Line(parse.GetRequiredValue(client) == ForNix ? NixText(config) : CvmfsText(config));
            if (bases.Any(static url => new Uri(url).IsLoopback))
                context.Terminal.Warning("the address is one of this machine only; name with --url what clients reach");
            return ExitCode.Done;
        });
        return command;
    }

    private static ClientConfigJson Make(RepositoryInfo info, IReadOnlyList<string> bases, string proxy) => new(
        info.Repository,
        new CvmfsClientJson(
            $"/etc/cvmfs/config.d/{info.Repository}.conf",
            [.. bases.Select(url => $"{url}/cvmfs/{info.Repository}")],
            proxy,
            $"/etc/cvmfs/keys/{info.Repository}.pub",
            info.PublicKey),
        new NixClientJson(
            [.. bases.Select(url => $"{url}/nix/{info.Repository}")],
            info.NixPublicKey,
            info.StoreDirectory.Length == 0 ? "/nix/store" : info.StoreDirectory));

    private static string Base(RepositoryInfo info)
    {
        string end = $"/cvmfs/{info.Repository}";
        return info.DataUrl.EndsWith(end, StringComparison.Ordinal)
            ? info.DataUrl[..^end.Length]
            : throw new CliException("NoAddress", "The node does not say at which address it serves the repository.", info.Repository, "name it with --url");
    }

    private static string CvmfsText(ClientConfigJson config) => $"""
        # {config.Cvmfs.File}
        CVMFS_SERVER_URL="{string.Join(';', config.Cvmfs.Servers)}"
        CVMFS_HTTP_PROXY="{config.Cvmfs.Proxy}"
        CVMFS_PUBLIC_KEY={config.Cvmfs.PublicKeyFile}
        CVMFS_USE_GEOAPI=no
        # {config.Cvmfs.PublicKeyFile} holds this, without the "# ":
        {string.Join('\n', config.Cvmfs.PublicKey.TrimEnd('\n').Split('\n').Select(static line => "# " + line))}
        """;

    private static string NixText(ClientConfigJson config) => $"""
        # nix.conf{(config.Nix.StoreDirectory == "/nix/store" ? "" : $", for a Nix whose store is {config.Nix.StoreDirectory}")}
        extra-substituters = {string.Join(' ', config.Nix.Substituters)}
        extra-trusted-public-keys = {config.Nix.TrustedPublicKey}
        """;
}
