using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>What a program that ended left behind.</summary>
/// <param name="Command">Program and arguments, for messages.</param>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Bytes">All of standard output.</param>
/// <param name="Errors">All of standard error.</param>
public sealed record ProgramRun(string Command, int ExitCode, byte[] Bytes, string Errors)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Standard output as text.</summary>
    public string Output => Encoding.UTF8.GetString(Bytes);

    /// <summary>Standard output as JSON, one document a line.</summary>
    /// <exception cref="InvalidOperationException">The program failed.</exception>
    public IReadOnlyList<JsonElement> JsonLines =>
        [.. Succeeded().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Standard output as one JSON document.</summary>
    /// <inheritdoc cref="JsonLines" path="/exception"/>
    public JsonElement Json => JsonLines.Single();

    /// <summary>This run, if its exit code is 0.</summary>
    /// <exception cref="InvalidOperationException">It is another.</exception>
    public ProgramRun Succeeded() =>
        ExitCode == 0 ? this : throw new InvalidOperationException($"{Command} ended with exit code {ExitCode}.\n{Output}\n{Errors}");

    /// <summary>Runs a program to its end, without standard input.</summary>
    /// <param name="program">File, or name to look up in PATH.</param>
    /// <param name="arguments">One each.</param>
    /// <param name="environment">Set beside the variables of this process; an empty value unsets.</param>
    /// <param name="cancellationToken">Ends the program.</param>
    /// <exception cref="TimeoutException">It does not end.</exception>
    public static async Task<ProgramRun> RunAsync(
        string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null, CancellationToken cancellationToken = default)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;

        string command = $"{Path.GetFileName(program)} {string.Join(' ', arguments)}";
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{command} did not start.");
        try
        {
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
            using var output = new MemoryStream();
            await process.StandardOutput.BaseStream.CopyToAsync(output, cancellationToken).WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellationToken).WaitAsync(Patience, cancellationToken).ConfigureAwait(false);
            return new ProgramRun(command, process.ExitCode, output.ToArray(), await errors.ConfigureAwait(false));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
