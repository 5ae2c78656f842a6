using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Pbm;
using Line = CvmfsNix.Cluster.Contracts.Admin.Line;

namespace CvmfsNix.Cluster.Cli.Tokens;

/// <summary><c>token create|list|revoke</c>: the same as the shell's palette, for scripts. The node decides, and writes changes down.</summary>
internal static class TokenCommands
{
    private const string Palette = "token";

    public static Command Build(CommandContext context) => new("token", "Make tokens and take them back") { Create(context), List(context), Revoke(context) };

    private static Command Create(CommandContext context)
    {
        var name = new Argument<string>("NAME") { Description = "What it is for: letters, digits, dots, dashes, underscores" };
        var scopes = new Option<string[]>("--scope")
        {
            Description = "What it allows: publish:FQRN, replicate:FQRN (* for every repository), read, operate or admin; may be repeated, or have commas between",
            HelpName = "SCOPE",
            Required = true,
        };
        var expires = new Option<string?>("--expires") { Description = "When it ends, as 12h or 30d, or never (default 90d)", HelpName = "TIME" };
        var command = new Command("create", "Make a token and print it, this once") { name, scopes, expires };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            List<string> words = [Palette, "create", "-n", parse.GetRequiredValue(name), "-s", string.Join(',', parse.GetRequiredValue(scopes))];
            if (parse.GetValue(expires) is { } time)
                words.AddRange(["-e", time]);
            return await RunAsync(context, parse, words, list: false, cancellationToken);
        });
        return command;
    }

    private static Command List(CommandContext context)
    {
        var command = new Command("list", "Show tokens, without their secrets");
        context.Handle(command, (parse, cancellationToken) => RunAsync(context, parse, [Palette, "list"], list: true, cancellationToken));
        return command;
    }

    private static Command Revoke(CommandContext context)
    {
        var id = new Argument<string>("ID") { Description = "As token list shows it" };
        var command = new Command("revoke", "Take a token back, on every node within seconds") { id };
        context.Handle(command, (parse, cancellationToken) => RunAsync(context, parse, [Palette, "revoke", "-i", parse.GetRequiredValue(id)], list: false, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, ParseResult parse, List<string> words, bool list, CancellationToken cancellationToken)
    {
        using var client = new PbmClient(context.Global.Settings(parse), context.Terminal, context.Clock);
        bool json = context.Json(parse);
        var documents = new JsonArray();
        bool positive = await client.ExecuteAsync(words, confirmed: false, Show, cancellationToken);
        if (json)
            context.Terminal.Line((list ? documents : documents[0]!).ToJsonString(PlainJson));
        return positive ? ExitCode.Done : ExitCode.No;

        void Show(Line line)
        {
            if (line.Json.Length == 0)
                context.Terminal.Note(line.Text);
            else if (json)
                documents.Add(JsonNode.Parse(line.Json));
            else
                context.Terminal.Line(line.Text);
        }
    }

    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
