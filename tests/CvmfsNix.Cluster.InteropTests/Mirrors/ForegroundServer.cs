using System.Diagnostics;
using System.Net.Sockets;

namespace CvmfsNix.Cluster.InteropTests.Mirrors;

/// <summary>A server of the distribution, run in the foreground with a folder of its own.</summary>
internal sealed class ForegroundServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly Task<string> _errors;

    private ForegroundServer(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Where the distribution put a program; null when it is not installed.</summary>
    public static string? Find(string program) =>
        ((string[])["/usr/sbin", "/usr/bin", "/sbin"]).Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);

    /// <summary>Starts it, and waits until it accepts connections.</summary>
    public static async Task<ForegroundServer> StartAsync(string program, IReadOnlyList<string> arguments, int port, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        var server = new ForegroundServer(Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start."));
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(Patience);
        while (true)
        {
            if (server._process.HasExited)
                throw new InvalidOperationException($"{program} ended: {await server._errors}");
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync("127.0.0.1", port, bounded.Token);
                return server;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), bounded.Token);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Workers go with whom they belong to.
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
