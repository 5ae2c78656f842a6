using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary><c>publish</c>: one request from the command line, or many from a file of lines.</summary>
internal static class PublishCommand
{
    private const int ParallelDefault = 8;
    private const int ParallelMax = 1024;

    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        var paths = new Argument<string[]>("PATH") { Description = "Store paths, paths below one, or links to one such as ./result", Arity = ArgumentArity.ZeroOrMore };
        var noClosure = new Option<bool>("--no-closure") { Description = "Only these paths, not what they refer to (that must be there already)" };
        var storeRoot = new Option<string?>("--store-root") { Description = "The store is below DIR: /nix/store/x lies at DIR/nix/store/x", HelpName = "DIR" };
        var registration = new Option<string?>("--registration") { Description = "Read hashes and references from FILE (nix-store --dump-db) instead of asking Nix", HelpName = "FILE" };
        var profile = new Option<string?>("--profile") { Description = "Point this profile at the path", HelpName = "NAME" };
        Option<string?> transaction = Arguments.Transaction("Transaction id, a UUID of version 7: the same id is applied at most once (default: a new one)");
        var conflict = new Option<string>("--conflict") { Description = "A path is there with another content: keep the first (default), or refuse the publish", HelpName = "keep|refuse", DefaultValueFactory = _ => "keep" };
        conflict.AcceptOnlyFromAmong("keep", "refuse");
        Option<string?> keep = Retention.RetentionCommands.DurationOption("--keep", "Pin the paths: they and what they need are kept for TIME, such as 30d");
        var despite = new Option<bool>("--despite-withdrawal") { Description = "Publish again what was taken back (cvmfsnix withdraw)" };
        var wait = new Option<string>("--wait") { Description = "Wait for committed (default), replicas=N, all or site:NAME", HelpName = "WHAT", DefaultValueFactory = _ => "committed" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only find out what is missing" };
        var batch = new Option<string?>("--batch") { Description = "Lines of {transaction, repository, paths, closure} from FILE or - (standard input)", HelpName = "FILE" };
        var parallel = new Option<int>("--parallel") { Description = $"Publishes of a batch at once (default {ParallelDefault})", HelpName = "N", DefaultValueFactory = _ => ParallelDefault };
        UpstreamOptions upstream = new();
        var command = new Command("publish", "Publish store paths and what they refer to")
        {
            paths, repository, noClosure, storeRoot, registration, profile, transaction, conflict, keep, despite, wait, upstream.Keys, upstream.Publish, dryRun, batch, parallel,
        };

        wait.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } text && text != "committed" && !Arguments.IsReplicaCondition(text))
                r.AddError($"--wait: \"{text}\" is none of committed, replicas=N, all, site:NAME.");
        });
        parallel.Validators.Add(r =>
        {
            // What is no number at all the library reports, and its typed getter would throw.
            if (r.Tokens is [var token] && int.TryParse(token.Value, out int count) && count is < 1 or > ParallelMax)
                r.AddError($"--parallel is a number from 1 to {ParallelMax}.");
        });
        profile.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } name && !IsProfileName(name))
                r.AddError($"--profile: \"{name}\" is not a name of letters, digits and - _ . that starts with a letter or digit.");
        });
        context.Check(command, (r, complain) =>
        {
            string[] given = r.GetResult(paths)?.Tokens.Select(t => t.Value).ToArray() ?? [];
            if (r.GetResult(batch) is not null)
            {
                if (given.Length > 0 || r.GetResult(repository) is not null || r.GetResult(transaction) is not null || r.GetResult(profile) is not null || r.GetValue(noClosure))
                    complain("--batch takes repositories, paths, closure and transactions from its lines: no PATH, --repo, --transaction, --profile or --no-closure.");
                return;
            }

            if (r.GetResult(repository) is null)
                complain("publish needs --repo FQRN (or --batch FILE).");
            if (given.Length == 0)
                complain("publish needs at least one PATH (or --batch FILE).");
            if (r.GetResult(profile) is not null && given.Length > 1)
                complain("--profile takes exactly one PATH.");
            if (r.GetResult(parallel) is { Implicit: false })
                complain("--parallel goes with --batch.");
        });

        context.Handle(command, async (parse, cancellationToken) =>
        {
            ControlSettings settings = context.Global.Settings(parse);
            StorePaths store = await StorePaths.OpenAsync(
                parse.GetValue(storeRoot), parse.GetValue(registration), Environment.GetEnvironmentVariable, context.Terminal.Warning, cancellationToken);
            using var control = new ControlPlane(settings, context.Terminal, context.Clock);
            using var packs = new PackUpload(settings.Token, tls: settings.Tls);
            string? batchFile = parse.GetValue(batch);
            var display = new ProgressDisplay(context.Terminal, context.Clock, bars: batchFile is null);
            var publisher = new Publisher(control, packs, store, display, context.Terminal);
            var template = new PublishRequest
            {
                Repository = parse.GetValue(repository) ?? "",
                Paths = parse.GetValue(paths) ?? [],
                Closure = !parse.GetValue(noClosure),
                Profile = parse.GetValue(profile),
                Transaction = parse.GetValue(transaction) ?? Guid.CreateVersion7(context.Clock.GetUtcNow()).ToString("D"),
                Conflict = parse.GetValue(conflict) == "refuse" ? ConflictPolicy.Refuse : ConflictPolicy.Keep,
                WaitFor = parse.GetValue(wait) is { } what && what != "committed" ? what : "",
                DryRun = parse.GetValue(dryRun),
                Keep = parse.GetValue(keep) is { } time && Retention.Durations.TryParse(time, out TimeSpan kept) ? kept : null,
                DespiteWithdrawal = parse.GetValue(despite),
                Upstream = upstream.Filter(parse),
            };
            if (batchFile is not null)
            {
                using TextReader lines = OpenBatch(context, batchFile);
                return await new PublishBatch(context, publisher.PublishAsync, template).RunAsync(lines, parse.GetValue(parallel), cancellationToken);
            }

            PublishJson result = await publisher.PublishAsync(template, cancellationToken);
            if (context.Json(parse))
                context.Terminal.Json(result, JsonShapes.Plain.PublishJson);
            else
                Print(context.Terminal, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static bool IsProfileName(string name) =>
        name.Length is > 0 and <= 200 && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    private static TextReader OpenBatch(CommandContext context, string file)
    {
        if (file == "-")
            return context.Input();
        try
        {
            return File.OpenText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The batch file cannot be read: {e.Message}", file, "name a readable file, or - for standard input");
        }
    }

    private static void Print(Terminal terminal, PublishJson result)
    {
        terminal.Line(result.Status switch
        {
            "committed" => $"committed revision {result.Revision} of {result.Repository} (root {result.RootHash})",
            "unchanged" => $"unchanged: revision {result.Revision} of {result.Repository} has everything already",
            _ => $"dry run: {result.PathsNew} paths would be sent, {result.PathsPresent} are there",
        });
        if (result.Status == "committed")
        {
            terminal.Line($"paths        {result.PathsNew} new, {result.PathsPresent} present");
            terminal.Line($"bytes        {Terminal.Bytes(result.BytesRead)} read, {Terminal.Bytes(result.BytesSent)} sent as {result.ObjectsSent} objects, {Terminal.Bytes(result.BytesStored)} stored");
            terminal.Line($"time         {result.DurationMs} ms");
        }

        if (result.PathsUpstream > 0)
            terminal.Line($"left out     {result.PathsUpstream} paths that upstream caches have signed");
        terminal.Line($"transaction  {result.Transaction}");
        foreach (ReplicaRevisionJson replica in result.Replicas)
            terminal.Line($"replica {replica.Replica} ({replica.Site}) serves revision {replica.Revision}");
    }
}
