using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Cli.Running;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary><c>agent</c>, <c>agent wait</c>, <c>agent status</c> and <c>agent retry</c>.</summary>
internal static class AgentCommands
{
    private const string RepositoryVariable = "CVMFSNIX_REPO";

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WaitInterval = TimeSpan.FromMilliseconds(100);

    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        repository.Description = $"Repository to publish into [{RepositoryVariable}]";
        repository.DefaultValueFactory = _ => context.Global.Variable(RepositoryVariable);
        Option<string> spool = SpoolOption.Of(context);
        var once = new Option<bool>("--once") { Description = "Publish what waits, then end" };
        UpstreamOptions upstream = new();
        var command = new Command("agent", "Publish what the hook hands over, in batches, until it is stopped")
        {
            repository, spool, once, upstream.Keys, upstream.Publish, Wait(context), Status(context), Retry(context),
        };
        context.Check(command, (r, complain) =>
        {
            if (r.GetValue(repository) is null)
                complain($"agent needs --repo FQRN (or {RepositoryVariable}).");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            var folder = new Spool(parse.GetRequiredValue(spool));
            ControlSettings settings = context.Global.Settings(parse);
            UpstreamFilter? filter = upstream.Filter(parse);
            folder.Create();
            using FileStream held = await LockAsync(folder, cancellationToken);
            if (await StoreOffer.FindVersionAsync(cancellationToken) is null)
                throw CliException.Usage("nix-store is not in PATH; without it nothing can be read from the store.", "nix-store", "install Nix, or add the folder of its programs to PATH");

            using var control = new ControlPlane(settings, context.Terminal, context.Clock);
            using var packs = new PackUpload(settings.Token, tls: settings.Tls);
            StorePaths store = await StorePaths.OpenAsync(null, null, Environment.GetEnvironmentVariable, context.Terminal.Warning, cancellationToken);
            var publisher = new Publisher(control, packs, store, new ProgressDisplay(context.Terminal, context.Clock, bars: false), context.Terminal);
            bool json = context.Json(parse);
            var agent = new Agent(
                folder,
                parse.GetValue(repository)!,
                (batch, token) => publisher.PublishAsync(
                    new PublishRequest { Repository = batch.Repository, Paths = batch.Paths, Transaction = batch.Transaction, Upstream = filter }, token),
                context.Clock,
                result => Report(context.Terminal, result, json),
                context.Terminal.Warning);
            if (parse.GetValue(once))
            {
                await agent.DrainAsync(cancellationToken);
                return folder.Bad().Count == 0 ? ExitCode.Done : ExitCode.No;
            }

            using var arrivals = new Arrivals(folder.Arrivals, LookInterval);
            context.Terminal.Note($"agent: publishing from {folder.Folder} into {parse.GetValue(repository)}");
            await agent.RunAsync(arrivals.NextAsync, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Wait(CommandContext context)
    {
        Option<string> spool = SpoolOption.Of(context);
        var command = new Command("wait", "Wait until all that is in the spool now is committed") { spool };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            var folder = new Spool(parse.GetRequiredValue(spool));
            folder.CheckThere();
            TimeSpan? limit = context.Global.Settings(parse).Timeout;
            HashSet<string> wanted = [.. All(folder)];
            int count = wanted.Count;
            HashSet<string> bad = [];
            bool warned = false;
            long start = context.Clock.GetTimestamp();
            while (true)
            {
                // Moved from one folder to another in between, an entry may be missed once: it is looked for in what is set aside first.
                bad.UnionWith(folder.Bad().Where(wanted.Contains));
                wanted.IntersectWith(All(folder));
                bad.UnionWith(folder.Bad().Where(wanted.Contains));
                wanted.ExceptWith(bad);
                if (wanted.Count == 0)
                    break;
                if (!warned && !folder.IsServed())
                {
                    context.Terminal.Warning($"no agent runs on {folder.Folder}; waiting for one");
                    warned = true;
                }

                if (limit is { } most && context.Clock.GetElapsedTime(start) >= most)
                {
                    throw new CliException(
                        "TimedOut", $"{wanted.Count} of {count} entries are not committed yet.{(folder.State?.LastFailure is { } failure ? $" Last failure: {failure.Message}" : "")}",
                        folder.Folder, "the agent goes on; ask again, or see cvmfsnix agent status", ExitCode.Unknown);
                }

                await Task.Delay(WaitInterval, context.Clock, cancellationToken);
            }

            SetAsideJson[] setAside = [.. bad.Order(StringComparer.Ordinal).Select(name => Describe(folder, name))];
            if (context.Json(parse))
            {
                context.Terminal.Json(new AgentWaitJson(folder.Folder, count - setAside.Length, setAside), JsonShapes.Plain.AgentWaitJson);
            }
            else
            {
                context.Terminal.Line($"{count - setAside.Length} of {count} entries are committed");
                foreach (SetAsideJson one in setAside)
                    context.Terminal.Line($"set aside: {one.Entry}: {one.Reason.Message} ({one.Reason.Code})");
            }

            return setAside.Length == 0 ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static Command Status(CommandContext context)
    {
        Option<string> spool = SpoolOption.Of(context);
        var command = new Command("status", "Show what waits in the spool, what was set aside, and what the agent does") { spool };
        context.Handle(command, (parse, _) =>
        {
            var folder = new Spool(parse.GetRequiredValue(spool));
            folder.CheckThere();
            (IReadOnlyList<string> alone, IReadOnlyList<string> arrived) = folder.Waiting();
            SpoolBatch? batch = folder.Batch;
            HashSet<string> inFlight = [.. batch?.Entries ?? []];
            AgentState? state = folder.State;
            var json = new AgentStatusJson(
                folder.Folder,
                folder.IsServed(),
                state?.Repository,
                alone.Concat(arrived).Count(name => !inFlight.Contains(name)),
                inFlight.Count,
                batch?.Transaction,
                alone.Concat(arrived).Select(folder.ArrivedAt).Min() is { } oldest ? Terminal.Time(oldest) : null,
                state?.CommittedTransactions ?? 0,
                state?.CommittedPaths ?? 0,
                state?.LastCommit,
                state?.LastFailure,
                [.. folder.Bad().Select(name => Describe(folder, name))]);
            if (context.Json(parse))
            {
                context.Terminal.Json(json, JsonShapes.Plain.AgentStatusJson);
                return Task.FromResult(ExitCode.Done);
            }

            context.Terminal.Line($"spool      {json.Spool}");
            context.Terminal.Line($"agent      {(json.Running ? $"runs, publishing into {json.Repository}" : "does not run")}");
            context.Terminal.Line($"queued     {json.Queued}{(json.OldestAt is null ? "" : $", the oldest since {json.OldestAt}")}");
            context.Terminal.Line($"in flight  {json.InFlight}{(json.Transaction is null ? "" : $", transaction {json.Transaction}")}");
            context.Terminal.Line($"committed  {json.CommittedTransactions} publishes with {json.CommittedPaths} new paths since the agent started");
            if (json.LastFailure is { } failure)
                context.Terminal.Line($"failing    {failure.Message} ({failure.Code}), attempt {failure.Attempts}, again at {failure.NextAttemptAt}");
            foreach (SetAsideJson one in json.SetAside)
                context.Terminal.Line($"set aside  {one.Entry}: {one.Reason.Message} ({one.Reason.Code})");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static Command Retry(CommandContext context)
    {
        Option<string> spool = SpoolOption.Of(context);
        var command = new Command("retry", "Try again what was set aside") { spool };
        context.Handle(command, (parse, _) =>
        {
            var folder = new Spool(parse.GetRequiredValue(spool));
            folder.CheckThere();
            int count = folder.Retry();
            if (context.Json(parse))
                context.Terminal.Json(new AgentRetryJson(folder.Folder, count), JsonShapes.Plain.AgentRetryJson);
            else
                context.Terminal.Line($"{count} entries are queued again");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    // A look at the lock by "agent status" holds it for an instant.
    private static async Task<FileStream> LockAsync(Spool folder, CancellationToken cancellationToken)
    {
        for (int attempt = 0; attempt < 10; attempt++)
        {
            if (folder.TryLock() is { } held)
                return held;
            await Task.Delay(WaitInterval, cancellationToken);
        }

        throw new CliException("AgentRuns", "Another agent publishes from this spool.", folder.Folder, "one agent serves one spool: stop the other one, or name another folder with --spool", ExitCode.Usage);
    }

    private static HashSet<string> All(Spool folder)
    {
        (IReadOnlyList<string> alone, IReadOnlyList<string> arrived) = folder.Waiting();
        return [.. alone, .. arrived, .. folder.Waiting().Alone];
    }

    private static SetAsideJson Describe(Spool folder, string name) =>
        new(name, folder.Reason(name) ?? new BadEntry("Unknown", "The reason is not on record.", name, ""));

    private static void Report(Terminal terminal, PublishJson result, bool json)
    {
        if (json)
            terminal.Json(result, JsonShapes.Plain.PublishJson);
        else
            terminal.Line($"{result.Status} revision {result.Revision} of {result.Repository}: {result.PathsNew} new paths, {result.PathsPresent} present, transaction {result.Transaction}");
    }
}
