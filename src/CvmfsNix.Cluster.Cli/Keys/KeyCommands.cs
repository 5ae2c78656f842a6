using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Keys;

namespace CvmfsNix.Cluster.Cli.Keys;

/// <summary><c>key create</c>, <c>key show</c> and <c>key whitelist</c>.</summary>
internal static class KeyCommands
{
    private const string DefaultFolder = "./cvmfsnix-data/keys";

    public static Command Build(CommandContext context) =>
        new("key", "Make and show keys of repositories") { Create(context), Show(context), WhitelistCommands.Build(context) };

    private static Command Create(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var keys = new Option<string>("--keys")
        {
            Description = $"Folder for the key files (default {DefaultFolder})",
            HelpName = "DIR",
            DefaultValueFactory = _ => DefaultFolder,
        };
        var next = new Option<bool>("--next") { Description = "Another pair beside those that are there, to sign from the time on that pbm key rotate says" };
        var command = new Command("create", "Make the keys of a repository on this machine, for the key folders of its nodes") { repository, keys, next };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            string name = parse.GetRequiredValue(repository);
            string directory = Path.GetFullPath(parse.GetRequiredValue(keys));
            if (parse.GetValue(next))
                return await CreateNextAsync(context, context.Json(parse), name, directory, cancellationToken);
            RepositoryKeySet set;
            try
            {
                var folder = new KeyFolder(directory);
                if (folder.TryLoad(name) is not null)
                    throw new CliException("KeyExists", $"There are keys of {name} already.", directory, "choose another --keys folder; existing keys are never replaced");
                set = await folder.CreateOrLoadAsync(name, context.Clock.GetUtcNow(), cancellationToken);
            }
            catch (Exception e) when (e is KeyFileException or IOException or UnauthorizedAccessException)
            {
                throw new CliException("KeyFile", e.Message, directory, "choose a folder that can be written and holds no other keys of this repository", innerException: e);
            }

            var json = new CreatedKeyJson(
                name, directory, Path.Combine(directory, name + ".pub"), set.Cvmfs.MasterPublicKeyPem, set.Nix.PublicKey.ToString());
            if (context.Json(parse))
            {
                context.Terminal.Json(json, JsonShapes.Plain.CreatedKeyJson);
                return ExitCode.Done;
            }

            context.Terminal.Line($"keys of {name} are in {directory}");
            context.Terminal.Line($"clients need  {json.PublicKeyFile}");
            context.Terminal.Line($"nix clients   {json.NixPublicKey}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<int> CreateNextAsync(CommandContext context, bool asJson, string name, string directory, CancellationToken cancellationToken)
    {
        try
        {
            (int pair, RepositoryCertificate certificate) = await new KeyFolder(directory).CreateNextAsync(name, context.Clock.GetUtcNow(), cancellationToken);
            var json = new NextKeyJson(name, directory, RepositoryKeys.CertificateFile(directory, name, pair), RepositoryKeys.KeyFile(directory, name, pair), certificate.Fingerprint());
            if (asJson)
            {
                context.Terminal.Json(json, JsonShapes.Plain.NextKeyJson);
                return ExitCode.Done;
            }

            context.Terminal.Line($"next key of {name}, {json.Fingerprint}");
            context.Terminal.Line($"for the key folders of all core nodes: {json.KeyFile}");
            context.Terminal.Line($"                                       {json.CertificateFile}");
            context.Terminal.Line($"then: pbm key rotate {name}");
            return ExitCode.Done;
        }
        catch (Exception e) when (e is KeyFileException or IOException or UnauthorizedAccessException)
        {
            throw new CliException("KeyFile", e.Message, directory, "name the key folder of one of its core nodes, and be the user it belongs to", innerException: e);
        }
    }

    private static Command Show(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var nix = new Option<bool>("--nix") { Description = "The key of the binary cache, name:base64" };
        var command = new Command("show", "Print a repository's public key") { repository, nix };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            RepositoryInfo info = await RepositoryQuery.GetAsync(control, parse.GetRequiredValue(repository), cancellationToken);
            if (context.Json(parse))
            {
                string expires = Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(info.WhitelistExpiresAt));
                context.Terminal.Json(new KeyJson(info.Repository, info.PublicKey, info.NixPublicKey, expires), JsonShapes.Plain.KeyJson);
            }
            else
            {
                context.Terminal.Line((parse.GetValue(nix) ? info.NixPublicKey : info.PublicKey).TrimEnd('\n'));
            }

            return ExitCode.Done;
        });
        return command;
    }
}
