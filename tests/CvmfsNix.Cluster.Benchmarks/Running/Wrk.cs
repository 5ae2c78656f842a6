using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>What <c>wrk</c> counted.</summary>
/// <param name="Requests">Answers.</param>
/// <param name="Bytes">Of the answers, headers included.</param>
/// <param name="Seconds">It took.</param>
/// <param name="Errors">Answers other than 2xx and 3xx, connections that broke, time-outs.</param>
/// <param name="P50">Median latency, milliseconds.</param>
/// <param name="P99">Latency of all but a hundredth, milliseconds.</param>
internal sealed record WrkResult(long Requests, long Bytes, double Seconds, long Errors, double P50, double P99)
{
    public double RequestsPerSecond => Requests / Seconds;

    public double MegabytesPerSecond => Bytes / Seconds / 1e6;
}

/// <summary>The load generator <c>wrk</c>: one thread, connections that are kept, paths in turn from a list.</summary>
internal sealed class Wrk(string folder)
{
    // Paths are read once; each connection takes the next one of the thread.
    private const string Script =
        """
        local paths = {}
        local at = 0
        function init(args)
          for line in io.lines(args[1]) do paths[#paths + 1] = wrk.format("GET", line) end
        end
        function request()
          at = at % #paths + 1
          return paths[at]
        end
        function done(summary, latency, requests)
          local e = summary.errors
          io.write(string.format('RESULT {"requests":%d,"bytes":%d,"microseconds":%d,"errors":%d,"p50":%d,"p99":%d}\n',
            summary.requests, summary.bytes, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
            latency:percentile(50), latency:percentile(99)))
        end
        """;

    /// <summary>Why there can be no measurement; null = the program is here.</summary>
    public static async Task<string?> MissingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ProgramRun.RunAsync("wrk", ["--version"], null, cancellationToken);
            return null;
        }
        catch (Win32Exception)
        {
            return "wrk is not installed (Debian: apt-get install wrk).";
        }
    }

    /// <summary>Asks for paths in turn for some time.</summary>
    /// <param name="url">Of the server, without a slash at its end.</param>
    /// <param name="paths">Each with a slash at its start.</param>
    /// <param name="connections">At once.</param>
    /// <param name="seconds">How long.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<WrkResult> RunAsync(string url, IReadOnlyList<string> paths, int connections, int seconds, CancellationToken cancellationToken)
    {
        string script = Path.Combine(folder, "paths.lua"), list = Path.Combine(folder, "paths.txt");
        await File.WriteAllTextAsync(script, Script, cancellationToken);
        await File.WriteAllLinesAsync(list, paths, cancellationToken);
        ProgramRun run = (await ProgramRun.RunAsync(
            "wrk",
            ["-t", "1", "-c", Number(connections), "-d", Number(seconds), "--timeout", "30", "-s", script, url, "--", list],
            null,
            cancellationToken)).Succeeded();
        string line = run.Output.Split('\n').First(static l => l.StartsWith("RESULT ", StringComparison.Ordinal));
        using JsonDocument result = JsonDocument.Parse(line["RESULT ".Length..]);
        long Of(string name) => result.RootElement.GetProperty(name).GetInt64();
        return new WrkResult(Of("requests"), Of("bytes"), Of("microseconds") / 1e6, Of("errors"), Of("p50") / 1e3, Of("p99") / 1e3);

        static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
    }
}
