using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>What a refusal has to look like: the exit code, the stable code, what it is about, what to do; for scripts and for people.</summary>
/// <param name="ExitCode">Of the contract.</param>
/// <param name="Code">Stable name.</param>
/// <param name="What">Part of what it is about.</param>
/// <param name="Says">Parts of the message.</param>
internal sealed record Refusal(int ExitCode, string Code, string What, params string[] Says)
{
    /// <summary>Runs a command twice, as a script would and as a person would, and checks both.</summary>
    /// <param name="arguments">Of <c>cvmfsnix</c>.</param>
    /// <param name="environment">Set beside this process's.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task OfAsync(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment, CancellationToken cancellationToken)
    {
        ProgramRun script = await ProgramRun.RunAsync(BuiltProgram.Cli, [.. arguments, "--json"], environment, cancellationToken);
        Assert.True(script.ExitCode == ExitCode, $"exit code {script.ExitCode}\n{script.Output}\n{script.Errors}");
        string line = Assert.Single(script.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        using JsonDocument document = JsonDocument.Parse(line);
        Check(document.RootElement.GetProperty("error"));

        ProgramRun person = await ProgramRun.RunAsync(BuiltProgram.Cli, arguments, environment, cancellationToken);
        Assert.True(person.ExitCode == ExitCode, $"exit code {person.ExitCode}\n{person.Output}\n{person.Errors}");
        Assert.Empty(person.Output);
        Assert.Contains($"({Code})", person.Errors);
        Assert.Contains("hint: ", person.Errors);
        Assert.All(Says, part => Assert.Contains(part, person.Errors));
        Assert.DoesNotContain("   at ", person.Errors);
    }

    /// <summary>As <see cref="OfAsync(IReadOnlyList{string}, IReadOnlyDictionary{string, string}?, CancellationToken)"/>, against a node.</summary>
    public Task OfAsync(NodeAddresses server, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        OfAsync([.. arguments, "--server", server.Grpc], null, cancellationToken);

    /// <summary>Checks an error object of the contract.</summary>
    public void Check(JsonElement error) => Check(Text(error, "code"), Text(error, "message"), Text(error, "what"), Text(error, "hint"));

    /// <summary>Checks the parts of an error.</summary>
    public void Check(string code, string message, string what, string hint)
    {
        string all = $"{code} | {message} | {what} | {hint}";
        Assert.True(code == Code, all);
        Assert.True(what.Contains(What, StringComparison.Ordinal), all);
        Assert.True(message.Length > 0 && hint.Length > 0, all);
        Assert.All(Says, part => Assert.Contains(part, message));
    }

    private static string Text(JsonElement error, string name) => error.TryGetProperty(name, out JsonElement value) ? value.GetString() ?? "" : "";
}
