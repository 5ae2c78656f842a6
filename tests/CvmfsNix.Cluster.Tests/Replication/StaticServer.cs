using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Tests.Replication;

/// <summary>Serves a folder's files on a free loopback port, as any web server does, and knows nothing of packs.</summary>
internal sealed class StaticServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    public StaticServer(string folder)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async context =>
        {
            string path = context.Request.Path.Value!;
            Asked.Enqueue(path);
            string file = Path.Combine(folder, path.TrimStart('/'));
            if (!HttpMethods.IsGet(context.Request.Method) || Broken || !File.Exists(file))
            {
                context.Response.StatusCode = Broken ? StatusCodes.Status500InternalServerError : StatusCodes.Status404NotFound;
                return;
            }

            byte[] bytes = await File.ReadAllBytesAsync(file, context.RequestAborted);
            context.Response.ContentLength = bytes.Length;
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
        });
        _app.StartAsync().GetAwaiter().GetResult();
        Url = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Url { get; }

    public bool Broken { get; set; }

    public ConcurrentQueue<string> Asked { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(true));
        await _app.DisposeAsync();
    }
}
