using System.Globalization;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>Waits until a revision is served: by this node, and by the replicas that are asked for.</summary>
public sealed class RevisionWaits(IPublishingCore core, IReplicationCore replication, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private const int NamedMax = 20;
    private static readonly TimeSpan DecisionPoll = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a wait lasts that sets no limit; whoever waits asks again.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>Answers when the wait is over.</summary>
    /// <exception cref="NodeException">Timeout: it names who is behind.</exception>
    public async Task<WaitReply> WaitAsync(WaitRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        bool byRevision = request.Revision > 0;
        if (byRevision == request.Transaction.Length > 0)
            throw Requests.Invalid("wait", "It names a revision or a transaction, one of them.");
        ReplicaCondition? condition = null;
        if (request.ForReplicas.Length > 0 && !ReplicaCondition.TryParse(request.ForReplicas, out condition))
            throw Requests.Invalid(request.ForReplicas, "This is no condition on replicas.", "replicas=N, all or site:NAME.");

        TimeSpan patience = request.TimeoutMs > 0 ? TimeSpan.FromMilliseconds(Math.Min(request.TimeoutMs, Longest.TotalMilliseconds)) : Longest;
        long started = time.GetTimestamp();
        string what = byRevision ? $"revision {request.Revision}" : request.Transaction;
        // Who waits holds up a node that is to stop, and can wait at another.
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping);
        bounded.CancelAfter(patience);
        ulong revision;
        try
        {
            await core.GetRepositoryAsync(repository, bounded.Token);
            revision = byRevision ? request.Revision : await RevisionOfAsync(repository, Requests.Transaction(request.Transaction), bounded.Token);
            await core.WaitForAppliedAsync(repository, revision, bounded.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested && !lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw TimedOut(request, what, $"It did not happen within {request.TimeoutMs} ms: this node does not serve it.");
        }

        var reply = new WaitReply { Repository = repository, Revision = revision };
        if (condition is null)
            return reply;
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping);
        TimeSpan left = patience - time.GetElapsedTime(started);
        ReplicaWait wait = await replication.WaitAsync(repository, revision, condition, left > TimeSpan.Zero ? left : TimeSpan.Zero, stopping.Token);
        if (!wait.Reached)
            throw TimedOut(request, $"{what} of {repository}", $"Revision {revision} is committed, but not served as asked for ({condition}): {Behind(wait, condition)}.");
        reply.Replicas.AddRange(wait.Serving.Select(r => ReplicaMessages.ToMessage(new ReplicaView { Replica = r, Standing = ReplicaStanding.Following })));
        return reply;
    }

    private async Task<ulong> RevisionOfAsync(string repository, TransactionId id, CancellationToken ct)
    {
        TransactionView view;
        while ((view = await core.GetTransactionAsync(repository, id, ct)).Status is TransactionStatus.Open or TransactionStatus.Sealed)
            await Task.Delay(DecisionPoll, time, ct);
        return view.Status == TransactionStatus.Committed
            ? view.Revision
            : throw new NodeException(OutcomeMapping.Refusal(view));
    }

    private string Behind(ReplicaWait wait, ReplicaCondition condition)
    {
        if (wait.Behind.Count == 0)
            return condition.Site is { } site ? $"no replica of the site {site} serves it" : $"only {wait.Serving.Count} replicas are registered";
        DateTimeOffset now = time.GetUtcNow();
        string named = string.Join(", ", wait.Behind.Take(NamedMax).Select(r => string.Create(
            CultureInfo.InvariantCulture,
            $"{r.Key.Replica} (site {r.Site}) {(r.IsReachable(now) ? "serves" : "is unreachable and served")} revision {r.Position.Revision}{(r.Position.Problem.Length > 0 ? $": {r.Position.Problem}" : "")}")));
        return wait.Behind.Count > NamedMax ? $"{named} and {wait.Behind.Count - NamedMax} more" : named;
    }

    private static NodeException TimedOut(WaitRequest request, string what, string message) =>
        new(new NodeError(NodeCodes.Timeout, message, what, request.ForReplicas.Length > 0 ? "Wait again; waiting changes nothing. cvmfsnix replica list shows who is behind, and why." : "Wait again; waiting changes nothing."));
}
