using System.Net.Sockets;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary><c>cvmfsnix-node healthcheck</c>: asks a running node whether it is ready.</summary>
public static class HealthCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Runs the command.</summary>
    /// <param name="arguments">What follows <c>healthcheck</c>.</param>
    /// <param name="errors">Gets one line when the node is not ready.</param>
    /// <returns>0 ready, 1 not ready or not reached, 2 wrong command line.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, TextWriter errors)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(errors);
        if (!TryRead(arguments, errors, out string? url, out string? data))
            return ExitCodes.WrongUsage;
        if (url is null && data is not null)
        {
            url = ReadyDocument.TryRead(DataFolder.NodeFile(data))?.Management;
            if (url is null)
            {
                await errors.WriteLineAsync($"not ready: {DataFolder.NodeFile(data)} does not say that a node is ready");
                return ExitCodes.No;
            }
        }

        return await AskAsync(new Uri((url ?? "http://127.0.0.1:8558").TrimEnd('/') + "/ready"), errors);
    }

    private static async Task<int> AskAsync(Uri ready, TextWriter errors)
    {
        try
        {
            // On this machine the certificate need not name the address that is asked; nothing is told that way.
            using var handler = new SocketsHttpHandler();
            if (ready.IsLoopback)
                handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null;
            using var client = new HttpClient(handler) { Timeout = Patience };
            using HttpResponseMessage response = await client.GetAsync(ready);
            if (response.IsSuccessStatusCode)
                return ExitCodes.Done;
            await errors.WriteLineAsync($"not ready: {(await response.Content.ReadAsStringAsync()).Trim()}");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or SocketException)
        {
            await errors.WriteLineAsync($"not ready: {ready} does not answer: {e.Message}");
        }

        return ExitCodes.No;
    }

    private static bool TryRead(IReadOnlyList<string> arguments, TextWriter errors, out string? url, out string? data)
    {
        (url, data) = (null, null);
        var mistakes = new List<string>();
        for (int i = 0; i < arguments.Count; i++)
        {
            string[] parts = arguments[i].Split('=', 2);
            string? value = parts.Length == 2 ? parts[1] : i + 1 < arguments.Count ? arguments[++i] : null;
            switch (parts[0])
            {
                case "--management" when value is not null && Uri.TryCreate(Absolute(value), UriKind.Absolute, out _):
                    url = Absolute(value);
                    break;
                case "--data" when !string.IsNullOrEmpty(value):
                    data = value;
                    break;
                default:
                    mistakes.Add($"{parts[0]} is not expected here: healthcheck takes --management URL and --data DIR.");
                    break;
            }
        }

        foreach (string mistake in mistakes)
            errors.WriteLine("cvmfsnix-node: " + mistake);
        return mistakes.Count == 0;
    }

    // The node's own switch of this name takes HOST:PORT, so that is understood here too.
    private static string Absolute(string value) =>
        BindAddress.TryParse(value, out _) ? "http://" + value : value;
}
