using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Repositories;

/// <summary><c>repo create</c>, <c>repo show</c>, <c>repo list</c>, <c>repo rollback</c>, <c>repo retention</c>.</summary>
internal static class RepositoryCommands
{
    public static Command Build(CommandContext context) =>
        new("repo", "Create and show repositories") { Create(context), Show(context), List(context), Pbm.ShellCommands.BuildRollback(context), Retention.RetentionCommands.Build(context), Backups.RecoverCommand.Build(context) };

    private static Command Create(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var hash = new Option<string>("--hash") { Description = "Hash that names objects: sha1 (default) or shake128", HelpName = "ALGORITHM", DefaultValueFactory = _ => "sha1" };
        hash.AcceptOnlyFromAmong("sha1", "shake128");
        var storeDirectory = new Option<string?>("--store-directory") { Description = "Store directory of the paths to come (default /nix/store)", HelpName = "DIR" };
        storeDirectory.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } text && StoreDirectoryText.Problem(text) is { } problem)
                r.AddError($"--store-directory: {problem}");
        });
        var nixDatabase = new Option<bool>("--nix-db") { Description = "Keep a database of Nix in the tree, so that Nix can use a mounted tree as a store" };
        var command = new Command("create", "Create a repository, with fresh keys unless the node has some for it") { repository, hash, storeDirectory, nixDatabase };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new CreateRepositoryRequest
            {
                Repository = parse.GetRequiredValue(repository),
                HashAlgorithm = parse.GetRequiredValue(hash),
                StoreDirectory = parse.GetValue(storeDirectory) ?? "",
                NixDatabase = parse.GetValue(nixDatabase),
            };
            Print(context, parse, await control.AskAsync((client, options) => client.CreateRepositoryAsync(request, options), cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var command = new Command("show", "Show one repository") { repository };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            Print(context, parse, await RepositoryQuery.GetAsync(control, parse.GetRequiredValue(repository), cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command List(CommandContext context)
    {
        var command = new Command("list", "List all repositories");
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            ListRepositoriesReply reply = await control.AskAsync(
                (client, options) => client.ListRepositoriesAsync(new ListRepositoriesRequest(), options), cancellationToken);
            if (context.Json(parse))
            {
                IReadOnlyList<RepositoryJson> list = [.. reply.Repositories.Select(RepositoryQuery.ToJson)];
                context.Terminal.Json(list, JsonShapes.Plain.IReadOnlyListRepositoryJson);
                return ExitCode.Done;
            }

            foreach (RepositoryInfo info in reply.Repositories)
                context.Terminal.Line($"{info.Repository}  revision {info.Revision}  {info.Paths} paths  {Terminal.Bytes(info.StoredBytes)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(CommandContext context, ParseResult parse, RepositoryInfo info)
    {
        RepositoryJson json = RepositoryQuery.ToJson(info);
        if (context.Json(parse))
        {
            context.Terminal.Json(json, JsonShapes.Plain.RepositoryJson);
            return;
        }

        Terminal terminal = context.Terminal;
        terminal.Line($"repository     {json.Repository}");
        terminal.Line($"revision       {json.Revision} of {json.PublishedAt}, root {json.RootHash}");
        terminal.Line($"content        {json.Paths} paths, {json.Objects} objects, {Terminal.Bytes(json.StoredBytes)} stored");
        terminal.Line($"store          {json.StoreDirectory}, objects named by {json.HashAlgorithm}{(json.NixDatabase ? ", with a database of Nix" : "")}");
        terminal.Line($"whitelist      until {json.WhitelistExpiresAt}");
        terminal.Line($"url            {json.Url}");
        terminal.Line($"public key     {json.PublicKeyFile}");
        terminal.Line($"nix key        {json.NixPublicKey}");
    }
}
