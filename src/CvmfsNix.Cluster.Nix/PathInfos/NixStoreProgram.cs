using System.ComponentModel;
using System.Diagnostics;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Runs <c>nix-store</c>, or <c>nix</c>, and reads what it prints while it runs.</summary>
internal sealed class NixStoreProgram(string program, StoreDirectory directory, IReadOnlyDictionary<string, string> environment)
{
    private const int MaxErrorText = 64 * 1024;

    /// <summary>Runs the program on <paramref name="paths"/>; its exit status decides before a fault in its output does.</summary>
    /// <exception cref="PathInfoSourceException">It is not there, exits with an error, or prints what cannot be read.</exception>
    public async Task<T> RunAsync<T>(
        IReadOnlyList<string> options, IReadOnlyList<string> paths, Func<Stream, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        using Process process = Start(options, paths);
        try
        {
            process.StandardInput.Close();
            Task<string> errors = ReadErrorsAsync(process.StandardError, cancellationToken);
            T? result = default;
            FormatException? fault = null;
            try
            {
                result = await read(process.StandardOutput.BaseStream, cancellationToken);
            }
            catch (FormatException e)
            {
                fault = e;
                await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, cancellationToken);
            }

            string errorText = await errors;
            await process.WaitForExitAsync(cancellationToken);
            string command = $"{program} {string.Join(' ', options)} ({paths.Count} paths, the first {paths[0]})";
            if (process.ExitCode != 0)
                throw new PathInfoSourceException($"{command} failed with exit status {process.ExitCode}: {FirstLine(errorText)}");
            if (fault is not null)
                throw new PathInfoSourceException($"{command} printed what cannot be read: {fault.Message}", fault);
            return result!;
        }
        finally
        {
            Stop(process);
        }
    }

    private Process Start(IReadOnlyList<string> options, IReadOnlyList<string> paths)
    {
        ProcessStartInfo start = new(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in options.Concat(paths))
            start.ArgumentList.Add(argument);
        start.Environment["NIX_STORE_DIR"] = directory.Value;
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;

        try
        {
            return Process.Start(start) ?? throw new PathInfoSourceException($"{program} could not be started.");
        }
        catch (Win32Exception e)
        {
            throw new PathInfoSourceException(
                $"{program} could not be run ({e.Message}). Install Nix and have it in PATH, or give a registration file made where Nix is (nix-store --dump-db $(nix-store -qR PATH)).", e);
        }
    }

    private static async Task<string> ReadErrorsAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        char[] kept = new char[MaxErrorText];
        int length = await reader.ReadBlockAsync(kept, cancellationToken);
        char[] dropped = new char[4096];
        while (await reader.ReadAsync(dropped, cancellationToken) > 0)
        {
            // Read on, so that a talkative program does not block; the first lines tell the reason.
        }

        return new string(kept, 0, length);
    }

    private static string FirstLine(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.FirstOrDefault(static line => line.StartsWith("error", StringComparison.Ordinal)) ?? lines.FirstOrDefault() ?? "it printed no reason";
    }

    private static void Stop(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It ended between the question and the kill.
        }
    }
}
