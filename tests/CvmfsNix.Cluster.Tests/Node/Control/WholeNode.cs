using System.Collections;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Actors;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Control;

/// <summary>A whole node with its real core on free loopback ports in this process, with one repository.</summary>
internal sealed class WholeNode : IAsyncDisposable
{
    public const string Repository = "test.example.org";

    private readonly TestFolder _folder = new();
    private readonly DataFolder _data;
    private readonly WebApplication _app;
    private GrpcChannel? _channel;

    private WholeNode(AccessTokens tokens, GatewayLimits limits, string management, string[] more)
    {
        string[] arguments = ["--data", _folder.Path, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--management", management, "--remoting", "127.0.0.1:0", "--log-level", "error", .. more];
        NodeOptions options = (NodeOptionsBinder.Bind(arguments, new Hashtable(), out IReadOnlyList<string> mistakes) ?? throw new InvalidOperationException(string.Join(' ', mistakes))) with { Limits = limits };
        _data = DataFolder.Open(_folder.Path);
        _app = NodeHost.Build(options, _data, tokens, TextWriter.Null, services => services.AddEmbeddedCore(options));
    }

    public IPublishingCore Core => _app.Services.GetRequiredService<IPublishingCore>();

    public IReplicationCore Replicas => _app.Services.GetRequiredService<IReplicationCore>();

    public Publishing.PublishingClient Publishing { get; private set; } = null!;

    public Contracts.Replication.Replication.ReplicationClient Replication { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public HttpClient Management { get; private set; } = null!;

    public IServiceProvider Services => _app.Services;

    /// <summary>For calls that have no client of their own here.</summary>
    public CallInvoker Calls => _channel!.CreateCallInvoker();

    public string Data => _folder.Path;

    /// <param name="tokens">Of the token file; null = nobody is asked.</param>
    /// <param name="limits">Of the gateway.</param>
    /// <param name="management">Where the management port is opened.</param>
    /// <param name="more">Further switches.</param>
    public static async Task<WholeNode> StartAsync(AccessTokens? tokens = null, GatewayLimits? limits = null, string management = "127.0.0.1:0", params string[] more)
    {
        var node = new WholeNode(tokens ?? AccessTokens.Off, limits ?? new GatewayLimits(), management, more);
        await node._app.StartAsync(TestContext.Current.CancellationToken);
        await node.Core.ReadyAsync(TestContext.Current.CancellationToken);
        await node.Core.CreateRepositoryAsync(new CreateRepository(Repository), TestContext.Current.CancellationToken);
        node._channel = GrpcChannel.ForAddress(node._app.Services.GetRequiredService<NodeAddresses>().Url(Surface.Control));
        node.Http = new HttpClient { BaseAddress = new Uri(node._app.Services.GetRequiredService<NodeAddresses>().Url(Surface.Data)) };
        node.Management = new HttpClient { BaseAddress = new Uri(node._app.Services.GetRequiredService<NodeAddresses>().Url(Surface.Management)) };
        node.Publishing = new Publishing.PublishingClient(node._channel);
        node.Replication = new Contracts.Replication.Replication.ReplicationClient(node._channel);
        return node;
    }

    public Task PublishAsync(string name) => PublishAsync(SyntheticPath.Package(name));

    public Task PublishAsync(SyntheticPath path) => DirectPublish.RunAsync(Core, Repository, path, DateTimeOffset.UtcNow, TestContext.Current.CancellationToken);

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        _channel?.Dispose();
        Http?.Dispose();
        Management?.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _data.Dispose();
        SqliteConnection.ClearAllPools();
        _folder.Dispose();
    }
}
