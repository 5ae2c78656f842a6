using Akka.Actor;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>Asks the cluster's actors. A node that is in no cluster, or was put out while it waited, says so at once: the caller has other nodes to ask.</summary>
internal sealed class CoreQuestions(CoreSystem core)
{
    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Asks the actor registered under a type.</summary>
    /// <exception cref="AskTimeoutException">Nobody answered in time.</exception>
    /// <exception cref="PublishingException">This node is in no cluster.</exception>
    public async Task<object> AskAsync<TActor>(object message, TimeSpan timeout, CancellationToken ct)
    {
        var member = core.Joined ?? throw core.Away();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, member.Ended);
        try
        {
            return await member.Registry.Get<TActor>().Ask<object>(message, timeout, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw core.Away(e);
        }
    }

    /// <summary>As the other, with an error the caller can act on when nobody answered.</summary>
    /// <param name="message">The question.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="code">Of the error.</param>
    /// <param name="what">It is about this.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<object> AskAsync<TActor>(object message, TimeSpan timeout, string code, string what, CancellationToken ct)
    {
        try
        {
            return await AskAsync<TActor>(message, timeout, ct).ConfigureAwait(false);
        }
        catch (AskTimeoutException e)
        {
            throw new PublishingException(code, $"Nobody answered within {timeout.TotalSeconds:0} s.", what, "Try again; it is safe.", TimeSpan.FromSeconds(1), e);
        }
    }

    /// <summary>What the leader says of itself and of its writers; null when none answers.</summary>
    public async Task<RepositoryProtocol.LeaderStatus?> LeaderStatusAsync(CancellationToken ct)
    {
        try
        {
            return (RepositoryProtocol.LeaderStatus)await AskAsync<Stratum0Leader>(new RepositoryProtocol.GetLeaderStatus(), StatusTimeout, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AskTimeoutException or PublishingException)
        {
            return null;
        }
    }
}
