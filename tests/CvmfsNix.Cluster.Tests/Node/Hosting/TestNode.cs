using System.Collections;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>A whole node on free loopback ports in this process, over a fake core.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DataFolder _data;
    private readonly WebApplication _app;
    private readonly GrpcChannel _channel;

    private TestNode(GatewayLimits limits, AccessTokens tokens)
    {
        string[] arguments = ["--data", _folder.Path, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--management", "127.0.0.1:0", "--remoting", "127.0.0.1:0", "--log-level", "error"];
        NodeOptions options = NodeOptionsBinder.Bind(arguments, new Hashtable(), out _)! with { Limits = limits };
        _data = DataFolder.Open(_folder.Path);
        _app = NodeHost.Build(options, _data, tokens, Output, services => services
            .AddSingleton<IPublishingCore>(Core).AddSingleton<IReplicationCore>(Replication).AddSingleton<IRepositoryTags>(Tags).AddSingleton<IRepositoryGate>(Gate)
            .AddSingleton<IRepositoryRetention>(Retention).AddSingleton<ICollectionStatus>(Retention));
        _app.StartAsync().GetAwaiter().GetResult();
        var addresses = _app.Services.GetRequiredService<NodeAddresses>();
        Http = new HttpClient { BaseAddress = new Uri(addresses.Url(Surface.Data)) };
        Management = new HttpClient { BaseAddress = new Uri(addresses.Url(Surface.Management)) };
        _channel = GrpcChannel.ForAddress(addresses.Url(Surface.Control));
        Publishing = new Publishing.PublishingClient(_channel);
    }

    public FakeCore Core { get; } = new();

    public FakeReplication Replication { get; } = new();

    public FakeTags Tags { get; } = new();

    public FakeRetention Retention { get; } = new();

    public FakeGate Gate { get; } = new();

    public LockedWriter Output { get; } = new();

    public string Data => _folder.Path;

    public HttpClient Http { get; }

    public HttpClient Management { get; }

    public Publishing.PublishingClient Publishing { get; }

    public TestFolder Folder => _folder;

    public static Task<TestNode> StartAsync(GatewayLimits? limits = null, AccessTokens? tokens = null) =>
        Task.FromResult(new TestNode(limits ?? new GatewayLimits { FreeBytesMin = 0, FreeShareMin = 0 }, tokens ?? AccessTokens.Off));

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        Http.Dispose();
        Management.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _data.Dispose();
        _folder.Dispose();
    }
}
