using System.Collections.Concurrent;
using System.Net;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Reading;

/// <summary>Serves a folder over HTTP on a free loopback port.</summary>
internal sealed class FolderServer : IDisposable
{
    private readonly HttpListener _listener;
    private readonly Task _loop;

    public FolderServer(string folder, Func<string, int?>? answer = null)
    {
        (_listener, Url) = Start();
        _loop = Task.Run(async () =>
        {
            while (true)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                var path = context.Request.Url!.AbsolutePath[Url.AbsolutePath.Length..].TrimStart('/');
                Requests.Add((context.Request.HttpMethod, path, context.Request.Headers["Accept-Encoding"] ?? ""));
                var file = Path.Combine(folder, path);
                context.Response.StatusCode = answer?.Invoke(path) ?? (File.Exists(file) ? 200 : 404);
                if (context.Response.StatusCode == 200)
                {
                    var bytes = await File.ReadAllBytesAsync(file);
                    context.Response.ContentLength64 = bytes.Length;
                    if (context.Request.HttpMethod == "GET") await context.Response.OutputStream.WriteAsync(bytes);
                }

                context.Response.Close();
            }
        });
    }

    public Uri Url { get; }

    public ConcurrentBag<(string Method, string Path, string AcceptEncoding)> Requests { get; } = [];

    public void Dispose()
    {
        _listener.Close();
        _loop.GetAwaiter().GetResult();
    }

    private static (HttpListener, Uri) Start()
    {
        for (var attempt = 0; ; attempt++)
        {
            using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            var url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/cvmfs/{Golden.Name}/";
            probe.Stop();
            var listener = new HttpListener { Prefixes = { url } };
            try
            {
                listener.Start();
                return (listener, new Uri(url));
            }
            catch (HttpListenerException) when (attempt < 20)
            {
                // Someone else took the port in between; try another.
            }
        }
    }
}
