using System.Text.Json;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli;

/// <summary>One run of the command line inside the test process: what it wrote, and its exit code.</summary>
internal sealed record CliRun(int Exit, string Output, string Error)
{
    /// <summary>The one JSON document on standard output.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The JSON documents on standard output, one a line.</summary>
    public IReadOnlyList<JsonElement> JsonLines =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    public static Task<CliRun> RunAsync(params string[] args) => RunAsync(args, input: "");

    public static async Task<CliRun> RunAsync(
        string[] args, string input = "", IReadOnlyDictionary<string, string>? environment = null, CancellationToken? interruption = null, int interruptedCode = ExitCode.Interrupted)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        using var raw = new MemoryStream();
        var terminal = new Terminal(output, error, () => raw, errorIsTerminal: false);
        var global = new GlobalOptions(name => environment?.GetValueOrDefault(name));
        var context = new CommandContext(terminal, global, TimeProvider.System, () => new StringReader(input));
        int exit = await CommandLineProgram.RunAsync(args, context, () => interruptedCode, interruption ?? TestContext.Current.CancellationToken);
        return new CliRun(exit, output + System.Text.Encoding.UTF8.GetString(raw.ToArray()), error.ToString());
    }
}
