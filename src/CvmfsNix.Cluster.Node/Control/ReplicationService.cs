using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>
/// The gRPC service <c>Replication</c>: takes a mirror's hello and what it says of itself, and feeds it. Errors are mapped by
/// <see cref="CallInterceptor"/>.
/// </summary>
public sealed class ReplicationService(
    IReplicationCore core, NodeAddresses addresses, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ReplicationService> log) : Contracts.Replication.Replication.ReplicationBase
{
    /// <summary>Of the stream; hello and welcome say it.</summary>
    public const uint Protocol = 1;

    private static readonly TimeSpan HelloWithin = TimeSpan.FromSeconds(15);

    /// <inheritdoc/>
    public override async Task Follow(IAsyncStreamReader<FromReplica> requestStream, IServerStreamWriter<ToReplica> responseStream, ServerCallContext context)
    {
        ReplicaGreeting greeting = await GreetingAsync(requestStream, context);
        await using ReplicaSession session = core.Open(greeting.Replica, greeting.Site, greeting.DataUrl);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, session.Ended, lifetime.ApplicationStopping);
        log.LogInformation("Replica {Replica} of site {Site} follows from {Peer}", greeting.Replica, greeting.Site, context.Peer);
        Task listening = ListenAsync(requestStream, greeting, session, ended);
        using var feed = new ReplicaFeed(core, session, greeting, responseStream, time, log);
        try
        {
            await feed.RunAsync(Welcome(context), ended.Token);
        }
        catch (Exception e) when (e is OperationCanceledException || ended.IsCancellationRequested)
        {
            if (Ending(session, context) is { } why)
                throw new NodeException(why);
        }
        finally
        {
            await ended.CancelAsync();
            await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            log.LogInformation("Replica {Replica} follows here no longer", greeting.Replica);
        }
    }

    private static async Task<ReplicaGreeting> GreetingAsync(IAsyncStreamReader<FromReplica> requests, ServerCallContext context)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        bounded.CancelAfter(HelloWithin);
        bool came;
        try
        {
            came = await requests.MoveNext(bounded.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException && !context.CancellationToken.IsCancellationRequested)
        {
            came = false;
        }

        if (!came || requests.Current.Hello is not { } hello)
            throw Requests.Invalid("hello", "The first message of a replica is its hello.");
        ReplicaGreeting greeting = ReplicaGreeting.Read(hello);
        Caller caller = AccessControl.CallerOf(context.GetHttpContext());
        if (caller.Replica is { } bound && bound != greeting.Replica.Value)
        {
            throw new NodeException(new NodeError(
                NodeCodes.Forbidden, $"The token is not the one of the replica {greeting.Replica}.", greeting.Replica.Value, "Give the replica the token whose line in the node's token file names it, or start it with the id it had."));
        }

        return Allowed(caller, greeting);
    }

    // A mirror that wants everything gets what it may have; one that names what it may not have is told so.
    private static ReplicaGreeting Allowed(Caller caller, ReplicaGreeting greeting)
    {
        if (caller.Allows(new Need(NeedKind.Replicate, Scope.Any)))
            return greeting;
        if (greeting.Repositories is { } named)
        {
            foreach (RepositoryId repository in named)
                caller.Require(new Need(NeedKind.Replicate, repository.Value));
            return greeting;
        }

        HashSet<RepositoryId> allowed = [.. caller.Scopes.Where(s => s.Kind == ScopeKind.Replicate).Select(s => RepositoryId.Parse(s.Repository))];
        if (allowed.Count == 0)
            caller.Require(new Need(NeedKind.Replicate, Scope.Any));
        return greeting with { Repositories = allowed };
    }

    // Until the mirror closes its half, breaks off, or the stream has to end for another reason.
    private static async Task ListenAsync(IAsyncStreamReader<FromReplica> requests, ReplicaGreeting greeting, ReplicaSession session, CancellationTokenSource ended)
    {
        try
        {
            while (await requests.MoveNext(ended.Token))
            {
                switch (requests.Current.MessageCase)
                {
                    case FromReplica.MessageOneofCase.Position when RepositoryId.TryParse(requests.Current.Position.Repository, out RepositoryId repository) && greeting.Wants(repository):
                        session.Report(repository, ReplicationMapping.Position(requests.Current.Position));
                        break;
                    case FromReplica.MessageOneofCase.Scrub when RepositoryId.TryParse(requests.Current.Scrub.Repository, out RepositoryId repository) && greeting.Wants(repository):
                        session.Report(repository, ReplicationMapping.Scrub(requests.Current.Scrub));
                        break;
                    default:
                        session.Alive();
                        break;
                }
            }
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private Welcome Welcome(ServerCallContext context)
    {
        var welcome = new Welcome { Protocol = Protocol, Node = addresses.Url(Surface.Control) };
        welcome.CoreUrls.Add(addresses.ControlUrl(context.Host));
        string own = addresses.DataUrl(context.Host);
        welcome.DataUrls.Add(own);
        // How the cluster reaches this node may not be how the mirror does.
        welcome.DataUrls.AddRange(core.DataUrls.Skip(1).Where(u => u != own));
        return welcome;
    }

    // Null when the mirror itself ended the stream.
    private NodeError? Ending(ReplicaSession session, ServerCallContext context)
    {
        if (session.Superseded)
            return new NodeError(NodeCodes.ReplicaElsewhere, $"The replica {session.Replica} opened another stream.", session.Replica.Value, "Two replicas of one id? Give each its own with --replica-id.");
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            return new NodeError(NodeCodes.NodeStopping, "This node is being stopped.", "", "Follow another node.");
        return session.Ended.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested
            ? new NodeError(NodeCodes.NodeLags, "This node is in no cluster any more.", "", "Follow another node.", TimeSpan.FromSeconds(1))
            : null;
    }
}
