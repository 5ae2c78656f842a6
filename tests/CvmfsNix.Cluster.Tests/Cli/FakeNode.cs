using System.Collections.Concurrent;
using CvmfsNix.Cluster.Contracts.Publishing;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PublishingService = CvmfsNix.Cluster.Contracts.Publishing.Publishing;

namespace CvmfsNix.Cluster.Tests.Cli;

/// <summary>A control port whose answers a test chooses. Calls are counted by name.</summary>
internal sealed class FakeNode : PublishingService.PublishingBase, IAsyncDisposable
{
    private WebApplication? _app;

    public ConcurrentQueue<string> Calls { get; } = [];

    public ConcurrentQueue<string?> Authorizations { get; } = [];

    public Func<BeginRequest, Task<BeginReply>> OnBegin { get; set; } = _ => throw Error("UnknownRepository", StatusCode.NotFound);

    public Func<FindPathsRequest, FindPathsReply> OnFindPaths { get; set; } = r => new FindPathsReply { Presence = { r.Paths.Select(_ => PathPresence.Present) }, Unchanged = r.Last };

    public Func<ServerCallContext, Task<FindContentReply>> OnFindContent { get; set; } = _ => throw Error("TransactionNotOpen", StatusCode.FailedPrecondition);

    public Func<SealRequest, Task<TransactionOutcome>> OnSeal { get; set; } = _ => throw Error("TransactionNotOpen", StatusCode.FailedPrecondition);

    public Func<GetRepositoryRequest, RepositoryInfo> OnGetRepository { get; set; } = _ => throw Error("UnknownRepository", StatusCode.NotFound);

    public Func<TransactionOutcome> OnGetTransaction { get; set; } = () => throw Error("UnknownTransaction", StatusCode.NotFound);

    public Func<NodeStatus> OnStatus { get; set; } = () => new NodeStatus { Node = "akka.tcp://cvmfsnix@127.0.0.1:1", Leader = "akka.tcp://cvmfsnix@127.0.0.1:1" };

    public Func<ListReplicasRequest, ListReplicasReply> OnListReplicas { get; set; } = _ => new ListReplicasReply();

    public Func<ChangeReplicaRequest, ListReplicasReply> OnChangeReplica { get; set; } = _ => throw Error("UnknownReplica", StatusCode.NotFound);

    public Func<WaitRequest, WaitReply> OnWait { get; set; } = r => new WaitReply { Repository = r.Repository, Revision = r.Revision };

    public Func<ListTagsRequest, ListTagsReply> OnListTags { get; set; } = _ => new ListTagsReply();

    public Func<SetTagRequest, TagReply> OnSetTag { get; set; } = _ => throw Error("UnknownRevision", StatusCode.NotFound);

    public Func<RemoveTagRequest, TagReply> OnRemoveTag { get; set; } = _ => throw Error("UnknownTag", StatusCode.NotFound);

    public string Url { get; private set; } = "";

    public static async Task<FakeNode> StartAsync()
    {
        var node = new FakeNode();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(node);
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0, o => o.Protocols = HttpProtocols.Http2));
        node._app = builder.Build();
        node._app.MapGrpcService<FakeNode>();
        await node._app.StartAsync();
        node.Url = node._app.Urls.First();
        return node;
    }

    /// <summary>A failure as a node sends it.</summary>
    public static RpcException Error(string code, StatusCode status, long retryAfterMs = 0)
    {
        var detail = new ErrorDetail { Code = code, Message = $"message of {code}", What = $"what of {code}", Hint = $"hint of {code}", RetryAfterMs = retryAfterMs };
        return new RpcException(new Status(status, code), new Metadata { { "cvmfsnix-error-bin", detail.ToByteArray() } });
    }

    public override Task<BeginReply> Begin(BeginRequest request, ServerCallContext context) => Called(context, () => OnBegin(request));

    public override Task<FindPathsReply> FindPaths(FindPathsRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnFindPaths(request)));

    public override Task<FindContentReply> FindContent(FindContentRequest request, ServerCallContext context) => Called(context, () => OnFindContent(context));

    public override Task<TransactionOutcome> Seal(SealRequest request, ServerCallContext context) => Called(context, () => OnSeal(request));

    public override Task<AbortReply> Abort(AbortRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(new AbortReply()));

    public override Task<RepositoryInfo> GetRepository(GetRepositoryRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnGetRepository(request)));

    public override Task<TransactionOutcome> GetTransaction(GetTransactionRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnGetTransaction()));

    public override Task<NodeStatus> GetStatus(GetStatusRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnStatus()));

    public override Task<ListReplicasReply> ListReplicas(ListReplicasRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnListReplicas(request)));

    public override Task<ListReplicasReply> ChangeReplica(ChangeReplicaRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnChangeReplica(request)));

    public override Task<WaitReply> Wait(WaitRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnWait(request)));

    public override Task<ListTagsReply> ListTags(ListTagsRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnListTags(request)));

    public override Task<TagReply> SetTag(SetTagRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnSetTag(request)));

    public override Task<TagReply> RemoveTag(RemoveTagRequest request, ServerCallContext context) => Called(context, () => Task.FromResult(OnRemoveTag(request)));

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
    }

    private Task<T> Called<T>(ServerCallContext context, Func<Task<T>> answer)
    {
        Calls.Enqueue(context.Method.Split('/')[^1]);
        Authorizations.Enqueue(context.RequestHeaders.GetValue("authorization"));
        return answer();
    }
}
