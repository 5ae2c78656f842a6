using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Hosting;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>Asks every call what it is allowed, see <see cref="CallNeeds"/>, and turns every exception into the answer builders understand.</summary>
public sealed class CallInterceptor(IHostApplicationLifetime lifetime, LateRequests late, CommandRunner runner, ILogger<CallInterceptor> log) : Interceptor
{
    /// <inheritdoc/>
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, CallNeeds.Of(context.Method, (IMessage)request), () => WrittenDownAsync(request, context, continuation));

    /// <inheritdoc/>
    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, BeforeTheMessage(context), () => continuation(Checked(requestStream, context), context));

    /// <inheritdoc/>
    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, CallNeeds.Of(context.Method, (IMessage)request), async () =>
        {
            await continuation(request, responseStream, context);
            return true;
        });

    /// <inheritdoc/>
    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, BeforeTheMessage(context), async () =>
        {
            await continuation(requestStream, responseStream, context);
            return true;
        });

    private async Task<TResponse> WrittenDownAsync<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        where TRequest : class
        where TResponse : class
    {
        if (!runner.WritesDown || AuditedCalls.CommandOf(MethodOf(context.Method), request) is not { } command)
            return await continuation(request, context);
        TResponse? response = null;
        await runner.WrittenDownAsync(
            command,
            new CommandArguments(AuditedCalls.ArgumentsOf((IMessage)request)),
            $"{AccessControl.CallerOf(context.GetHttpContext()).Name} from {context.Peer}",
            async () =>
            {
                response = await continuation(request, context);
                return true;
            },
            context.CancellationToken);
        return response!;
    }

    private async Task<T> AnswerAsync<T>(ServerCallContext context, Need need, Func<Task<T>> call)
    {
        if (AccessControl.CallerOf(context.GetHttpContext()).Refusal(need) is { } refusal)
            throw ErrorMapping.ToRpc(refusal);

        // A node that stops lets what was begun come to its end; a new beginning belongs elsewhere, and so does waiting.
        if (lifetime.ApplicationStopping.IsCancellationRequested && IsBeginning(context.Method))
            throw ErrorMapping.ToRpc(Stopping());
        try
        {
            // Whatever it still waits for: a node that stops says so while it can.
            return await call().WaitAsync(late.Late);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
        {
            throw ErrorMapping.ToRpc(Stopping());
        }
        catch (RpcException)
        {
            throw;
        }
        catch (Exception) when (context.CancellationToken.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "The caller went away or its deadline passed."));
        }
        catch (Exception e)
        {
            NodeError error = ErrorMapping.Describe(e);
            if (error.Code == NodeCodes.Internal)
                log.LogError(e, "{Method} failed", context.Method);
            else
                log.LogDebug("{Method} refused: {Code} {What}: {Message}", context.Method, error.Code, error.What, error.Message);
            throw ErrorMapping.ToRpc(error);
        }
    }

    private const string ReplicationMethod = "Follow";

    // Of a stream only the method is known; which repository it is about comes with its messages.
    private static Need BeforeTheMessage(ServerCallContext context) =>
        new(CallNeeds.Of(context.Method) is NeedKind.Admin ? NeedKind.Admin : NeedKind.Credential);

    private static CheckedStream<T> Checked<T>(IAsyncStreamReader<T> stream, ServerCallContext context) =>
        new(stream, AccessControl.CallerOf(context.GetHttpContext()), context.Method);

    private static string MethodOf(string method) => method[(method.LastIndexOf('/') + 1)..];

    private static bool IsBeginning(string method) => MethodOf(method) is "Begin" or "CreateRepository" or "Wait" or ReplicationMethod;

    private static NodeError Stopping() => new(
        NodeCodes.NodeStopping, "This node is being stopped.", "", "Ask another node, or this one when it is back; the same transaction id is safe.", TimeSpan.FromMilliseconds(500));

    // Whoever may write to one repository must not name another one later in the stream.
    private sealed class CheckedStream<T>(IAsyncStreamReader<T> stream, Caller caller, string method) : IAsyncStreamReader<T>
    {
        private bool _named;

        public T Current => stream.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (!await stream.MoveNext(cancellationToken))
                return false;
            if (Current is IMessage message && CallNeeds.Of(method, message) is var need && (!_named || need.Repository.Length > 0))
            {
                caller.Require(need);
                _named = true;
            }

            return true;
        }
    }
}
