using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>nginx of its own on loopback, with two workers and <c>sendfile</c>: what a node's serving is compared with.</summary>
internal sealed class NginxServer : IDisposable
{
    private const int Attempts = 100;
    private readonly Process _process;

    private NginxServer(Process process, string url) => (_process, Url) = (process, url);

    /// <summary>Without a slash at its end.</summary>
    public string Url { get; }

    /// <summary>The processes that answer, with the one that started them.</summary>
    public IEnumerable<int> Processes => MachineLoad.Family(_process.Id);

    /// <summary>Starts it and waits for its first answer.</summary>
    /// <param name="folder">Gets its settings, log and bodies under way.</param>
    /// <param name="locations">The <c>location</c> blocks of its one server.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<NginxServer> StartAsync(string folder, string locations, CancellationToken cancellationToken)
    {
        int port = FreePort();
        string configuration = Path.Combine(folder, "nginx.conf");
        Directory.CreateDirectory(folder + "/bodies");
        await File.WriteAllTextAsync(
            configuration,
            $$"""
            daemon off; pid {{folder}}/nginx.pid; error_log {{folder}}/nginx.log; worker_processes 2; user root;
            events { worker_connections 1024; }
            http {
              access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; client_max_body_size 0; client_body_temp_path {{folder}}/bodies;
              server { listen 127.0.0.1:{{port}}; {{locations}} }
            }
            """,
            cancellationToken);
        Process process = Process.Start(new ProcessStartInfo("nginx", ["-c", configuration]) { RedirectStandardError = true })
            ?? throw new InvalidOperationException("nginx did not start.");
        var server = new NginxServer(process, $"http://127.0.0.1:{port}");
        using var http = new HttpClient();
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using HttpResponseMessage answer = await http.GetAsync(new Uri(server.Url + "/"), cancellationToken);
                return server;
            }
            catch (HttpRequestException) when (attempt < Attempts)
            {
                await Task.Delay(50, cancellationToken);
            }
        }
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
