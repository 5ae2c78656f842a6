using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Cli.Tags;

/// <summary><c>tag set|list|remove</c>: names of revisions, which readers may mount and which keep a revision from being collected.</summary>
internal static class TagCommands
{
    private const int DescriptionLengthMax = 200;

    public static Command Build(CommandContext context) => new("tag", "Name revisions") { Set(context), List(context), Remove(context) };

    private static Command Set(CommandContext context)
    {
        Argument<string> name = Name();
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var revision = new Option<ulong?>("--revision") { Description = "Revision to name (default: the newest)", HelpName = "N" };
        var description = new Option<string?>("--description") { Description = "A few words", HelpName = "TEXT" };
        description.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { Length: > DescriptionLengthMax })
                r.AddError($"--description has at most {DescriptionLengthMax} characters.");
        });
        var command = new Command("set", "Name a revision, or move a name to another one") { name, repository, revision, description };
        context.Check(command, (r, complain) =>
        {
            if (r.GetResult(revision)?.Tokens is [{ Value: "0" }])
                complain("--revision counts from 1.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new SetTagRequest
            {
                Repository = parse.GetValue(repository),
                Name = parse.GetRequiredValue(name),
                Revision = parse.GetValue(revision) ?? 0,
                Description = parse.GetValue(description) ?? "",
            };
            Print(context, parse, await control.AskAsync((client, options) => client.SetTagAsync(request, options), cancellationToken), "names");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command List(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var command = new Command("list", "Show all names, of the newest revision first") { repository };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new ListTagsRequest { Repository = parse.GetValue(repository) };
            ListTagsReply reply = await control.AskAsync((client, options) => client.ListTagsAsync(request, options), cancellationToken);
            IReadOnlyList<TagJson> tags = [.. reply.Tags.Select(ToJson)];
            if (context.Json(parse))
            {
                context.Terminal.Json(tags, JsonShapes.Plain.IReadOnlyListTagJson);
                return ExitCode.Done;
            }

            foreach (TagJson tag in tags)
                context.Terminal.Line($"{tag.Name}  revision {tag.Revision} of {tag.At}  {tag.Description}".TrimEnd());
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Remove(CommandContext context)
    {
        Argument<string> name = Name();
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var command = new Command("remove", "Take a name away; its revision may be collected then") { name, repository };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new RemoveTagRequest { Repository = parse.GetValue(repository), Name = parse.GetRequiredValue(name) };
            Print(context, parse, await control.AskAsync((client, options) => client.RemoveTagAsync(request, options), cancellationToken), "named");
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(CommandContext context, ParseResult parse, TagReply reply, string verb)
    {
        TagJson tag = ToJson(reply.Tag) with { Changed = reply.Changed };
        if (context.Json(parse))
            context.Terminal.Json(tag, JsonShapes.Plain.TagJson);
        else
            context.Terminal.Line($"{tag.Name} {verb} revision {tag.Revision} of {tag.Repository} (root {tag.RootHash})");
    }

    private static TagJson ToJson(TagInfo t) => new(t.Repository, t.Name, t.Revision, t.RootHash, Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(t.At)), t.Description);

    private static Argument<string> Name()
    {
        var argument = new Argument<string>("NAME") { Description = "Letters, digits and - _ . / :" };
        argument.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is not { } name)
                return;
            if (!TagDatabase.IsValidName(name))
                r.AddError($"\"{name}\" is not a tag name: 1 to 255 letters, digits and - _ . / :.");
            else if (name is "trunk" or "trunk-previous")
                r.AddError($"{name} is kept by the repository itself.");
        });
        return argument;
    }
}
