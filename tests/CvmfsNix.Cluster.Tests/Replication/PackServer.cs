using System.Collections.Concurrent;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Replication;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace CvmfsNix.Cluster.Tests.Replication;

/// <summary>A node that hands out packs of one store, on a free loopback port, and does on demand what nodes and networks do wrong.</summary>
internal sealed class PackServer : IReplicaStores, IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ReplicaEndpoint _endpoint;

    public PackServer(RepositoryStore? store)
    {
        Store = store;
        _endpoint = new ReplicaEndpoint(this, TimeProvider.System, NullLogger<ReplicaEndpoint>.Instance);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(ServeAsync);
        _app.StartAsync().GetAwaiter().GetResult();
        Url = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Url { get; }

    /// <summary>Null = the repository is not open there.</summary>
    public RepositoryStore? Store { get; set; }

    /// <summary>Gets each request and the way to answer it; by default it is answered.</summary>
    public Func<HttpContext, Func<Task>, Task>? Fault { get; set; }

    /// <summary>Gets the stream of each answer; by default it is written to as it is.</summary>
    public Func<Stream, HttpContext, Stream>? Wire { get; set; }

    /// <summary>Every line that was asked for.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public int Requests;

    public long BytesSent;

    public RepositoryStore? Find(string repository) => Store?.Format.Repository == repository ? Store : null;

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(true));
        await _app.DisposeAsync();
        _endpoint.Dispose();
    }

    private async Task ServeAsync(HttpContext context)
    {
        Interlocked.Increment(ref Requests);
        context.Request.Body = new RecordingStream(context.Request.Body, Asked);
        Stream answer = new CountingStream(context.Response.Body, this);
        context.Response.Body = Wire?.Invoke(answer, context) ?? answer;
        Task Serve() => _endpoint.ServeAsync(context, DataPath.Parse(context.Request.Path.Value ?? ""));
        await (Fault?.Invoke(context, Serve) ?? Serve());
    }

    private sealed class CountingStream(Stream inner, PackServer server) : WriteStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Add(ref server.BytesSent, buffer.Length);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
    }
}

/// <summary>Notes the lines that are read.</summary>
internal sealed class RecordingStream(Stream inner, ConcurrentQueue<string> lines) : ForwardReadStream
{
    private readonly MemoryStream _read = new();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await inner.ReadAsync(buffer, cancellationToken);
        _read.Write(buffer.Span[..read]);
        if (read == 0)
        {
            foreach (string line in System.Text.Encoding.ASCII.GetString(_read.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                lines.Enqueue(line);
            _read.SetLength(0);
        }

        return read;
    }
}

/// <summary>Base of streams that something is written to.</summary>
internal abstract class WriteStream : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public abstract override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>Changes what is written.</summary>
internal sealed class AlteringStream(Stream inner, Func<byte[], CancellationToken, ValueTask<byte[]>> alter) : WriteStream
{
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        await inner.WriteAsync(await alter(buffer.ToArray(), cancellationToken), cancellationToken);

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
}
