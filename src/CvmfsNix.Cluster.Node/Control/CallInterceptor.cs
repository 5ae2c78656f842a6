using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>Asks every call for its token and turns every exception into the answer builders understand.</summary>
public sealed class CallInterceptor(AccessTokens tokens, IHostApplicationLifetime lifetime, ILogger<CallInterceptor> log) : Interceptor
{
    /// <inheritdoc/>
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, () => continuation(request, context));

    /// <inheritdoc/>
    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, () => continuation(requestStream, context));

    /// <inheritdoc/>
    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, async () =>
        {
            await continuation(request, responseStream, context);
            return true;
        });

    /// <inheritdoc/>
    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, async () =>
        {
            await continuation(requestStream, responseStream, context);
            return true;
        });

    private async Task<T> AnswerAsync<T>(ServerCallContext context, Func<Task<T>> call)
    {
        // Whose stream a replica's token opens is known with its hello.
        string? authorization = context.RequestHeaders.GetValue("authorization");
        if (!tokens.Knows(authorization))
        {
            throw ErrorMapping.ToRpc(new NodeError(
                NodeCodes.Unauthorized, "This node asks for a token, and the call has none it knows.", "authorization", "Give one of the node's tokens with --token-file."));
        }

        if (!tokens.Admits(authorization) && MethodOf(context.Method) != ReplicationMethod)
        {
            throw ErrorMapping.ToRpc(new NodeError(
                NodeCodes.Forbidden, "The token is a replica's: it opens that replica's stream and nothing else.", "authorization", "Give a token that is bound to no replica."));
        }

        // A node that stops lets what was begun come to its end; a new beginning belongs elsewhere, and so does waiting.
        if (lifetime.ApplicationStopping.IsCancellationRequested && IsBeginning(context.Method))
            throw ErrorMapping.ToRpc(Stopping());
        try
        {
            return await call();
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

    private static string MethodOf(string method) => method[(method.LastIndexOf('/') + 1)..];

    private static bool IsBeginning(string method) => MethodOf(method) is "Begin" or "CreateRepository" or "Wait" or ReplicationMethod;

    private static NodeError Stopping() => new(
        NodeCodes.NodeStopping, "This node is being stopped.", "", "Ask another node, or this one when it is back; the same transaction id is safe.", TimeSpan.FromMilliseconds(500));
}
