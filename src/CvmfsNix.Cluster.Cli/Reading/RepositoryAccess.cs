using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Cli.Reading;

/// <summary>
/// The switches that say which repository to read, and the reader they lead to. Everything read is checked as a client
/// checks it, down from the public key; with <c>--repo</c> that key is the one the node names.
/// </summary>
internal sealed class RepositoryAccess
{
    private readonly Option<string?> _url = new("--url") { Description = "Repository URL, http://HOST:PORT/cvmfs/FQRN, or a repository folder", HelpName = "URL" };
    private readonly Option<string?> _publicKey = new("--pubkey") { Description = "File with the repository's public key", HelpName = "FILE" };
    private readonly Option<string?> _repository = Arguments.RepositoryOption(required: false);
    private readonly Option<string?> _tag = new("--tag") { Description = "Read the revision of this tag instead of the newest", HelpName = "NAME" };

    /// <summary>Gives <paramref name="command"/> the switches.</summary>
    public void AddTo(CommandContext context, Command command)
    {
        command.Options.Add(_url);
        command.Options.Add(_publicKey);
        command.Options.Add(_repository);
        command.Options.Add(_tag);
        context.Check(command, (r, complain) =>
        {
            bool byUrl = r.GetResult(_url) is not null;
            bool byKey = r.GetResult(_publicKey) is not null;
            bool byName = r.GetResult(_repository) is not null;
            if (byUrl != byKey || byUrl == byName)
                complain($"{command.Name} takes either --url with --pubkey, or --repo.");
        });
    }

    /// <summary>Opens the repository, lets <paramref name="body"/> read it, and turns what can go wrong into failures of the contract.</summary>
    public async Task<T> ReadAsync<T>(
        CommandContext context, ParseResult parse, Func<RepositoryReader, Task<T>> body, CancellationToken cancellationToken)
    {
        (string location, string key, string? name) = await LocateAsync(context, parse, cancellationToken);
        using IRepositorySource source = OpenSource(location, parse.GetValue(context.Global.Timeout));
        var options = new RepositoryReaderOptions { ExpectedName = name, Tag = parse.GetValue(_tag), Clock = context.Clock };
        try
        {
            await using RepositoryReader reader = await RepositoryReader.OpenAsync(source, [key], options, cancellationToken);
            return await body(reader);
        }
        catch (Exception e) when (Describe(e, source.Description) is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>An absolute path of the repository from the text of a command line.</summary>
    public static RepositoryPath ParsePath(string text)
    {
        string path = text.TrimEnd('/');
        if (path.Length > 0 && path[0] != '/')
            path = "/" + path;
        try
        {
            return RepositoryPath.Parse(path);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw CliException.Usage($"\"{text}\" is not a path of a repository: {e.Message}", text, "give an absolute path such as /nix/store");
        }
    }

    /// <summary>Says that a path is not in the repository.</summary>
    public static CliException NotFound(RepositoryPath path) =>
        new("PathNotFound", $"{path} is not in this revision.", path.ToString(), "see what is there with cvmfsnix ls");

    private static CliException? Describe(Exception e, string source) => e switch
    {
        RepositoryTrustException => new CliException(
            "NotTrusted", e.Message, source, "check the public key, and that the whitelist was renewed in time", innerException: e),
        RepositoryUnreachableException => new CliException(
            "Unreachable", e.Message, source, "check that the server runs and that the URL is right", ExitCode.Unknown, e),
        RepositoryNotFoundException => new CliException(
            "RepositoryNotFound", e.Message, source, "the URL ends in /cvmfs/FQRN", innerException: e),
        RepositoryPathException => new CliException("PathNotFound", e.Message, source, "see what is there with cvmfsnix ls", innerException: e),
        ObjectMissingException or ObjectCorruptException or CatalogFormatException or ManifestFormatException
            or WhitelistFormatException or CertificateFormatException => new CliException(
            "RepositoryDamaged", e.Message, source, "read from another server, and have this one checked", innerException: e),
        _ => null,
    };

    /// <summary>What a URL or a folder leads to.</summary>
    /// <param name="location">The text of the command line.</param>
    /// <param name="timeoutSeconds">Longest wait for an answer, or null for the usual one.</param>
    /// <param name="argument">Where the text was given, for the message.</param>
    /// <exception cref="CliException">It is neither.</exception>
    public static IRepositorySource OpenSource(string location, double? timeoutSeconds, string argument = "--url")
    {
        if (Uri.TryCreate(location, UriKind.Absolute, out Uri? uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps))
            return new HttpSource(uri, client: null, timeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : ControlPlane.DefaultAnswerTime);

        string folder = uri is { IsFile: true } ? uri.LocalPath : location;
        return Directory.Exists(folder)
            ? new DirectorySource(folder)
            : throw CliException.Usage($"{argument} is neither an http(s) URL nor a folder.", location, "give http://HOST:PORT/cvmfs/FQRN or the path of a repository folder");
    }

    private async Task<(string Location, string Key, string? Name)> LocateAsync(
        CommandContext context, ParseResult parse, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_repository) is { } repository)
        {
            using ControlPlane control = context.Control(parse);
            RepositoryInfo info = await RepositoryQuery.GetAsync(control, repository, cancellationToken);
            if (info.DataUrl.Length == 0)
                throw new CliException("NoDataUrl", "The node does not say where it serves the repository.", repository, "give --url and --pubkey instead of --repo");
            return (info.DataUrl, info.PublicKey, repository);
        }

        string url = parse.GetValue(_url)!;
        string file = parse.GetValue(_publicKey)!;
        try
        {
            string key = await File.ReadAllTextAsync(file, cancellationToken);
            RepositoryKeys.ReadPublicKeyPem(key).Dispose();
            return (url, key, NameIn(url));
        }
        catch (KeyFileException)
        {
            throw CliException.Usage("This file holds no RSA public key in PEM form.", file, "name the FQRN.pub file of the repository");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The public key cannot be read: {e.Message}", file, "name the FQRN.pub file of the repository");
        }
    }

    /// <summary>The name a URL or folder ends in, or null: a key may sign several repositories, and a URL that names one must lead to that one.</summary>
    public static string? NameIn(string url)
    {
        string[] parts = url.TrimEnd('/').Split('/');
        return parts.Length >= 2 && parts[^2] == "cvmfs" && RepositoryName.IsValid(parts[^1]) ? parts[^1] : null;
    }
}
