using System.Diagnostics;
using CvmfsNix.Cluster.Benchmarks.Running;

namespace CvmfsNix.Cluster.Benchmarks.Ingesting;

/// <summary>What a program that ran to its end took.</summary>
/// <param name="Output">What it wrote.</param>
/// <param name="Seconds">From before its start to its end.</param>
/// <param name="Processor">Processor seconds of all its threads.</param>
/// <param name="PeakBytes">Most memory it had resident.</param>
internal sealed record MeasuredProcess(string Output, double Seconds, double Processor, long PeakBytes)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    /// <summary>Runs a program.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<MeasuredProcess> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = Path.GetTempPath() };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        long begun = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        Task exit = process.WaitForExitAsync(cancellationToken);
        long peak = 0;
        double processor = 0;
        while (!exit.IsCompleted)
        {
            // What a process has used is gone with it: the last look has to do, and both figures only grow.
            try
            {
                peak = Math.Max(peak, MachineLoad.PeakResidentBytes(process.Id));
                processor = Math.Max(processor, MachineLoad.Seconds([("it", process.Id)])["it"]);
            }
            catch (Exception e) when (e is IOException or InvalidOperationException)
            {
                // It ends.
            }

            await Task.WhenAny(exit, Task.Delay(Look, cancellationToken));
        }

        double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await exit;
        return process.ExitCode == 0
            ? new MeasuredProcess(await output, seconds, processor, peak)
            : throw new InvalidOperationException($"{program} {arguments[0]}: exit code {process.ExitCode}\n{await output}{await errors}");
    }
}
