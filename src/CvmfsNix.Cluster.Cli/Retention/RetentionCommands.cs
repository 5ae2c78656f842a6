using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Retention;

/// <summary><c>repo retention show|set</c>: what is kept though nobody asked for it by name.</summary>
internal static class RetentionCommands
{
    public static Command Build(CommandContext context) => new("retention", "Rules of what is kept") { Show(context), Set(context) };

    private static Command Show(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var command = new Command("show", "Show the rules, and what was taken back") { repository };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            Print(context, parse, await GetAsync(control, parse.GetRequiredValue(repository), cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Set(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var generations = new Option<int?>("--profile-generations") { Description = "Keep the newest N generations of every profile", HelpName = "N" };
        Option<string?> recent = DurationOption("--keep-recent", "Keep what was published within TIME, such as 30d");
        var automatic = new Option<string?>("--automatic") { Description = "The leader removes by itself, once a day: on or off", HelpName = "on|off" };
        automatic.AcceptOnlyFromAmong("on", "off");
        var off = new Option<bool>("--off") { Description = "Keep everything, as before the first rules" };
        var command = new Command("set", "Set rules; what is not said stays as it is") { repository, generations, recent, automatic, off };
        context.Check(command, (r, complain) =>
        {
            bool any = r.GetResult(generations) is not null || r.GetResult(recent) is not null || r.GetResult(automatic) is not null;
            if (r.GetValue(off) == any)
                complain("repo retention set needs --off, or at least one of --profile-generations, --keep-recent and --automatic.");
            if (r.GetResult(generations)?.Tokens is [{ Value: var n }] && int.TryParse(n, out int count) && count < 1)
                complain("--profile-generations counts from 1.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            string name = parse.GetRequiredValue(repository);
            RetentionRules rules = (await GetAsync(control, name, cancellationToken)).Rules;
            rules.Enabled = !parse.GetValue(off);
            rules.ProfileGenerations = parse.GetValue(generations) ?? rules.ProfileGenerations;
            if (parse.GetValue(recent) is { } text && Durations.TryParse(text, out TimeSpan time))
                rules.KeepRecentSeconds = (long)time.TotalSeconds;
            if (parse.GetValue(automatic) is { } choice)
                rules.Automatic = choice == "on";
            var request = new SetRetentionRequest { Repository = name, Rules = rules, By = Who.Am };
            Print(context, parse, await control.AskAsync((client, options) => client.SetRetentionAsync(request, options), cancellationToken));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>An option that takes a time.</summary>
    public static Option<string?> DurationOption(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = Durations.Help };
        option.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } text && !Durations.TryParse(text, out _))
                r.AddError($"{name}: \"{text}\" is not a time such as 90s, 15m, 12h, 30d or 4w.");
        });
        return option;
    }

    private static Task<RetentionInfo> GetAsync(ControlPlane control, string repository, CancellationToken cancellationToken) =>
        control.AskAsync((client, options) => client.GetRetentionAsync(new GetRetentionRequest { Repository = repository }, options), cancellationToken);

    private static void Print(CommandContext context, ParseResult parse, RetentionInfo info)
    {
        if (context.Json(parse))
        {
            context.Terminal.Json(
                new RetentionJson(
                    info.Repository, info.Rules.Enabled, info.Rules.ProfileGenerations, info.Rules.KeepRecentSeconds, info.Rules.Automatic, info.Profiles, info.Pins,
                    [.. info.Withdrawn.Select(w => new WithdrawnJson(w.Path, w.Reason, w.By, Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(w.At))))]),
                RetentionShapes.Plain.RetentionJson);
            return;
        }

        Terminal terminal = context.Terminal;
        terminal.Line($"repository   {info.Repository}");
        terminal.Line(info.Rules.Enabled
            ? $"kept         the newest {info.Rules.ProfileGenerations} generations of each profile, what was published within {Durations.Text(info.Rules.KeepRecentSeconds)}, tags, pins, and what these need"
            : "kept         everything: no rules are set");
        terminal.Line($"removal      {(info.Rules.Automatic ? "by itself, once a day" : "when somebody says cvmfsnix gc")}");
        terminal.Line($"roots        {info.Profiles} generations of profiles, {info.Pins} pins");
        foreach (WithdrawnPath withdrawn in info.Withdrawn)
            terminal.Line($"withdrawn    {withdrawn.Path} by {withdrawn.By}: {withdrawn.Reason}");
    }
}

/// <summary>Who asks, for the journal.</summary>
internal static class Who
{
    public static string Am => $"{Environment.UserName}@{Environment.MachineName}";
}
