using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Node.Errors;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>
/// Tells one mirror everything, in order, as fast as it takes it. Nothing is queued for it: each turn reads on from what was sent last, from
/// memory when it is close and from the journal when it is not. So a slow mirror delays nobody and costs no memory.
/// <code>
///  welcome ──► (news: pauses, siblings, scrubs) ──► (offer, events of each repository, some at a time) ──► pulse when due ──► wait for a move
///                 ▲                                                                                                           │
///                 ╰───────────────────────────────────────────────────────────────────────────────────────────────────────────╯
/// </code>
/// </summary>
internal sealed class ReplicaFeed(
    IReplicationCore core, ReplicaSession session, ReplicaGreeting greeting, IServerStreamWriter<ToReplica> stream, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>Events of one repository before another one's turn.</summary>
    private const int EventsAtOnce = 64;

    /// <summary>A delta list up to this size travels with its event.</summary>
    private const int InlineDeltaMax = 256 << 10;

    /// <summary>The same for a mirror that is far behind: it fetches the record files of many revisions together.</summary>
    private const int InlineDeltaMaxBehind = 16 << 10;

    private static readonly TimeSpan PulseEvery = TimeSpan.FromSeconds(5);

    /// <summary>A node that has not followed the journal for so long, where there are others.</summary>
    private static readonly TimeSpan TroubleMax = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _moved = new(0, 1);
    private readonly Dictionary<RepositoryId, long> _sent = [];
    private readonly HashSet<RepositoryId> _keyless = [];
    private long? _troubledSince;

    /// <summary>Runs until it is cancelled.</summary>
    /// <exception cref="NodeException">The mirror should follow another node.</exception>
    public async Task RunAsync(Welcome welcome, CancellationToken ct)
    {
        session.OnNews(Poke);
        using IDisposable watch = core.Watch(Poke);
        await SendAsync(new ToReplica { Welcome = welcome }, ct);
        long? pulsed = null;
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            // A replica that was paused learns of it before the first event, so only those count whose news are told now.
            HashSet<RepositoryId> joined = [.. _sent.Keys.Where(session.IsJoined)];
            await TellNewsAsync(ct);
            IReadOnlyList<FollowedRepository> repositories = [.. core.Repositories.Where(r => greeting.Wants(r.Definition.Repository))];
            bool more = false;
            foreach (FollowedRepository repository in repositories)
                more |= await FeedAsync(repository, joined, ct);
            // The first one tells a mirror that everything there is has been offered.
            if (pulsed is not { } last || time.GetElapsedTime(last) >= PulseEvery)
            {
                pulsed = time.GetTimestamp();
                await PulseAsync(repositories, ct);
            }

            if (!more)
                await _moved.WaitAsync(Positive(PulseEvery - time.GetElapsedTime(pulsed.Value)), ct);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _moved.Dispose();

    private async Task<bool> FeedAsync(FollowedRepository repository, HashSet<RepositoryId> joined, CancellationToken ct)
    {
        RepositoryId id = repository.Definition.Repository;
        bool known = _sent.TryGetValue(id, out long sent);
        if (!known || (_keyless.Contains(id) && repository.PublicKeyPem.Length > 0))
        {
            await SendAsync(new ToReplica { Offer = ReplicationMapping.Offer(repository) }, ct);
            if (repository.PublicKeyPem.Length > 0)
                _keyless.Remove(id);
            else
                _keyless.Add(id);
        }

        if (!known)
        {
            ReplicaPosition position = greeting.Positions.GetValueOrDefault(id) ?? ReplicaPosition.None;
            _sent[id] = position.Sequence;
            session.Join(id, position);
            return false;
        }

        if (repository.Sequence <= sent || !joined.Contains(id) || session.IsForgotten(id))
            return false;
        IReadOnlyList<SequencedEvent> events = await core.EventsAsync(id, sent, EventsAtOnce, ct);
        int inlineMax = repository.Sequence - sent <= EventsAtOnce ? InlineDeltaMax : InlineDeltaMaxBehind;
        foreach (SequencedEvent e in events)
        {
            // Ours is the promise of no gap, whatever the journal gave.
            if (e.Sequence != sent + 1)
                throw new InvalidOperationException($"Event {sent + 1} of {id} was to be sent, and {e.Sequence} was read.");
            await SendAsync(new ToReplica { Event = await ToMessageAsync(id, e, inlineMax, ct) }, ct);
            _sent[id] = sent = e.Sequence;
        }

        return sent < repository.Sequence;
    }

    private async Task<ReplicatedEvent> ToMessageAsync(RepositoryId repository, SequencedEvent e, int inlineMax, CancellationToken ct)
    {
        ReplicatedEvent message = ReplicationMapping.Event(repository, e);
        if (message.Revision is { } past && await core.IsForgottenAsync(repository, past.Head.Revision, past.PathInfoDigest, ct))
            past.Forgotten = true;
        if (message.Revision is { Forgotten: false } revision && await core.SmallRecordAsync(repository, revision.DeltaDigest, inlineMax, ct) is { } delta)
            revision.Delta = UnsafeByteOperations.UnsafeWrap(delta);
        return message;
    }

    private async Task TellNewsAsync(CancellationToken ct)
    {
        ReplicaNews news = session.Take();
        foreach (var (repository, paused) in news.Pauses)
        {
            var order = new Order { Repository = repository.Value };
            if (paused)
                order.Pause = new PauseOrder();
            else
                order.Resume = new ResumeOrder();
            await SendAsync(new ToReplica { Order = order }, ct);
        }

        foreach (var (repository, rate) in news.Scrubs)
            await SendAsync(new ToReplica { Order = new Order { Repository = repository.Value, Scrub = new ScrubOrder { BytesPerSecond = rate } } }, ct);
        foreach (RepositoryId repository in news.Forgotten)
            await SendAsync(new ToReplica { Order = new Order { Repository = repository.Value, Forget = new ForgetOrder() } }, ct);
        if (news.Siblings is { } urls)
        {
            var siblings = new Siblings();
            siblings.DataUrls.AddRange(urls);
            await SendAsync(new ToReplica { Siblings = siblings }, ct);
        }
    }

    private async Task PulseAsync(IReadOnlyList<FollowedRepository> repositories, CancellationToken ct)
    {
        Doubt(repositories);
        var pulse = new Pulse();
        pulse.Heads.AddRange(repositories.Select(r => new RepositoryHeadPosition { Repository = r.Definition.Repository.Value, HeadSequence = r.Sequence, HeadRevision = r.Revision }));
        await SendAsync(new ToReplica { Pulse = pulse }, ct);
        session.Alive();
    }

    // What this node has not followed it cannot tell of; where there are others, they may.
    private void Doubt(IReadOnlyList<FollowedRepository> repositories)
    {
        if (repositories.FirstOrDefault(r => r.Problem is not null) is not { } troubled || core.DataUrls.Count < 2)
        {
            _troubledSince = null;
            return;
        }

        _troubledSince ??= time.GetTimestamp();
        if (time.GetElapsedTime(_troubledSince.Value) < TroubleMax)
            return;
        log.LogWarning("Replica {Replica} is sent to another node: this one does not follow {Repository}: {Problem}", session.Replica, troubled.Definition.Repository, troubled.Problem);
        throw new NodeException(new NodeError(
            NodeCodes.NodeLags, $"This node does not follow {troubled.Definition.Repository} at present: {troubled.Problem}", troubled.Definition.Repository.Value, "Follow another node.", TimeSpan.FromSeconds(5)));
    }

    private Task SendAsync(ToReplica message, CancellationToken ct) => stream.WriteAsync(message, ct);

    private void Poke()
    {
        try
        {
            if (_moved.CurrentCount == 0)
                _moved.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // Somebody else did at the same time, or the stream has just ended.
        }
    }

    private static TimeSpan Positive(TimeSpan span) => span > TimeSpan.Zero ? span : TimeSpan.Zero;
}
