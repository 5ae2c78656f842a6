using System.Diagnostics;
using System.Text;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>The shell at a pseudo-terminal: keys go in, the screen comes out as it is written.</summary>
internal sealed class PbmSession : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _screen = new();
    private readonly Task _reading;
    private int _seen;

    private PbmSession(Process process)
    {
        _process = process;
        _reading = ReadAsync();
    }

    /// <summary>Starts the shell on a node.</summary>
    public static PbmSession Start(string pbm, string host)
    {
        var start = new ProcessStartInfo("script") { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        // Runs a command with a terminal of its own and hands both sides through.
        foreach (string argument in (string[])["-qefc", $"{pbm} {host}", "/dev/null"])
            start.ArgumentList.Add(argument);
        start.Environment["TERM"] = "xterm";
        return new PbmSession(Process.Start(start)!);
    }

    /// <summary>Types keys as they are.</summary>
    public async Task TypeAsync(string keys)
    {
        await _process.StandardInput.WriteAsync(keys);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits until a text is written, and returns all that was written since the last wait.</summary>
    public async Task<string> UntilAsync(string text, CancellationToken ct)
    {
        string? found = null;
        try
        {
            await Processes.Deadline.UntilAsync(() => Task.FromResult((found = Take(text)) is not null), $"\"{text}\" on the screen", ct);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} The screen is:\n{Screen}", e);
        }

        return found!;
    }

    /// <summary>The exit code, once the shell has ended.</summary>
    public async Task<int> ExitAsync(CancellationToken ct)
    {
        await _process.WaitForExitAsync(ct).WaitAsync(Processes.Deadline.Publish, ct);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }

    private string Screen
    {
        get
        {
            lock (_screen)
                return _screen.ToString();
        }
    }

    private string? Take(string text)
    {
        lock (_screen)
        {
            string all = _screen.ToString();
            int at = all.IndexOf(text, _seen, StringComparison.Ordinal);
            if (at < 0)
                return null;
            string since = all[_seen..(at + text.Length)];
            _seen = at + text.Length;
            return since;
        }
    }

    // The terminal puts carriage returns before line feeds, also where there are some.
    private async Task ReadAsync()
    {
        var buffer = new char[4096];
        while (await _process.StandardOutput.ReadAsync(buffer) is var read and > 0)
        {
            lock (_screen)
                _screen.Append(new string(buffer, 0, read).Replace("\r", "", StringComparison.Ordinal));
        }
    }
}
