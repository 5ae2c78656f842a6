using System.Text.Json;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Many publishes in one process. Lines come in as JSON, are published several at once, and each is answered by one line
/// as soon as it is decided. One that fails does not stop the others.
/// </summary>
/// <param name="context">Where to write.</param>
/// <param name="publish">Publishes one request.</param>
/// <param name="template">What all lines share: policy and wait condition.</param>
internal sealed class PublishBatch(
    CommandContext context, Func<PublishRequest, CancellationToken, Task<PublishJson>> publish, PublishRequest template)
{
    /// <summary>Runs all lines.</summary>
    /// <returns>The worst exit code of all lines.</returns>
    public async Task<int> RunAsync(TextReader lines, int parallel, CancellationToken cancellationToken)
    {
        int worst = ExitCode.Done;
        var gate = new Lock();
        await Parallel.ForEachAsync(
            ReadAsync(lines, cancellationToken),
            new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = cancellationToken },
            async (line, token) =>
            {
                int exit = await RunLineAsync(line.Number, line.Text, token);
                lock (gate)
                    worst = ExitCode.Worst(worst, exit);
            });
        return worst;
    }

    /// <summary>Reads one line.</summary>
    /// <param name="number">Of the line, from 1, for the error.</param>
    /// <param name="text">The line.</param>
    /// <param name="transaction">The transaction it names, as soon as that is known: errors carry it.</param>
    /// <exception cref="CliException">The line is not what it should be.</exception>
    public PublishRequest Parse(long number, string text, out string? transaction)
    {
        transaction = null;
        BatchLineJson line;
        try
        {
            line = JsonSerializer.Deserialize(text, JsonShapes.Plain.BatchLineJson) ?? throw new JsonException("null is no line");
        }
        catch (JsonException e)
        {
            throw Invalid(number, e.Message);
        }

        transaction = line.Transaction;
        if (line.Transaction is not null && !Arguments.IsTransaction(line.Transaction))
            throw Invalid(number, $"\"{line.Transaction}\" is not a UUID of version 7");
        if (line.Repository is null || !RepositoryName.IsValid(line.Repository))
            throw Invalid(number, $"\"{line.Repository}\" is not a repository name");
        if (line.Paths is null || line.Paths.Count == 0 || line.Paths.Any(string.IsNullOrEmpty))
            throw Invalid(number, "it names no paths");
        transaction ??= Guid.CreateVersion7(context.Clock.GetUtcNow()).ToString("D");
        return template with { Transaction = transaction, Repository = line.Repository, Paths = line.Paths, Closure = line.Closure };
    }

    private static CliException Invalid(long number, string problem) => new(
        "InvalidBatchLine",
        $"Line {number} of the batch cannot be used: {problem}.",
        $"line {number}",
        "a line is {\"transaction\": UUIDv7, \"repository\": FQRN, \"paths\": [PATH, …], \"closure\": true|false}");

    private static async IAsyncEnumerable<(long Number, string Text)> ReadAsync(
        TextReader lines, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long number = 0;
        while (await lines.ReadLineAsync(cancellationToken) is { } text)
        {
            number++;
            if (!string.IsNullOrWhiteSpace(text))
                yield return (number, text);
        }
    }

    private async Task<int> RunLineAsync(long number, string text, CancellationToken cancellationToken)
    {
        string? transaction = null;
        try
        {
            PublishRequest request = Parse(number, text, out transaction);
            context.Terminal.Json(await publish(request, cancellationToken), JsonShapes.Plain.PublishJson);
            return ExitCode.Done;
        }
        catch (CliException e)
        {
            context.Terminal.Json(ErrorJson.Of(e) with { Transaction = transaction }, JsonShapes.Plain.ErrorJson);
            return e.ExitCode;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A fault of ours in one publish must not take the others' answers with it.
            var failure = new CliException("InternalError", $"{e.GetType().Name}: {e.Message}", $"line {number}", "please report it", ExitCode.Unknown, e);
            context.Terminal.Json(ErrorJson.Of(failure) with { Transaction = transaction }, JsonShapes.Plain.ErrorJson);
            return ExitCode.Unknown;
        }
    }
}
