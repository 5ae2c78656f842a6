using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Retention;

/// <summary><c>withdraw</c>: takes a path and everything that needs it out of the newest revision, at once.</summary>
internal static class WithdrawCommand
{
    private const int ReasonLengthMax = 300;

    public static Command Build(CommandContext context)
    {
        var path = new Argument<string>("PATH") { Description = "A store path, or its base name" };
        path.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } text && !StorePathName.TryParse(BaseName(text), out _))
                r.AddError($"\"{text}\" is not a store path.");
        });
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var reason = new Option<string>("--reason") { Description = "Why, in a sentence: it is kept, and told to whoever publishes the path again", HelpName = "TEXT", Required = true };
        reason.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } text && (text.Length is 0 or > ReasonLengthMax || text.Any(char.IsControl)))
                r.AddError($"--reason has 1 to {ReasonLengthMax} characters in one line.");
        });
        var tags = new Option<bool>("--tags") { Description = "Also remove the tags whose revisions have it" };
        var command = new Command("withdraw", "Take a path back, with everything that needs it") { path, repository, reason, tags };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new WithdrawRequest
            {
                Repository = parse.GetValue(repository),
                Path = BaseName(parse.GetRequiredValue(path)),
                Reason = parse.GetRequiredValue(reason),
                By = Who.Am,
                Tags = parse.GetValue(tags),
            };
            WithdrawReply reply = await control.AskAsync((client, options) => client.WithdrawAsync(request, options), cancellationToken);
            if (context.Json(parse))
            {
                context.Terminal.Json(
                    new WithdrawJson(reply.Repository, reply.Path, reply.Revision, reply.PathsCount, [.. reply.Paths], [.. reply.TagsRemoved], [.. reply.TagsLeft]),
                    RetentionShapes.Plain.WithdrawJson);
                return ExitCode.Done;
            }

            Terminal terminal = context.Terminal;
            terminal.Line(reply.PathsCount == 0
                ? $"{reply.Path} was not in {reply.Repository}; it will not be published unnoticed"
                : $"revision {reply.Revision} of {reply.Repository} is without {reply.Path} and {reply.PathsCount - 1} paths that needed it");
            foreach (string gone in reply.Paths)
                terminal.Line($"removed  {gone}");
            foreach (string tag in reply.TagsRemoved)
                terminal.Line($"removed the tag {tag}, whose revision had it");
            foreach (string tag in reply.TagsLeft)
                terminal.Line($"the tag {tag} still has it: withdraw again with --tags to remove the tag");
            return ExitCode.Done;
        });
        return command;
    }

    private static string BaseName(string path) => path.TrimEnd('/') is var trimmed && trimmed.LastIndexOf('/') is var slash && slash >= 0 ? trimmed[(slash + 1)..] : trimmed;
}
