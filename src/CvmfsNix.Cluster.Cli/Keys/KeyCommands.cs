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
        var command = new Command("create", "Make the keys of a repository on this machine, for the key folders of its nodes") { repository, keys };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            string name = parse.GetRequiredValue(repository);
            string directory = Path.GetFullPath(parse.GetRequiredValue(keys));
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
