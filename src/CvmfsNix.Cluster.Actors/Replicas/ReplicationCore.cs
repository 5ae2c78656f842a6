using Akka.Actor;
using Akka.Hosting;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;

namespace CvmfsNix.Cluster.Actors.Replicas;

/// <inheritdoc cref="IReplicationCore"/>
internal sealed class ReplicationCore(
    CoreSystem core, CoreQuestions questions, LocalRepositories local, StoreSet stores, LoadedKeys keys, TimeProvider clock) : IReplicationCore
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A wait is asked for in parts: the directory that was asked may be moved meanwhile and forget who asked.</summary>
    private static readonly TimeSpan WaitSlice = TimeSpan.FromSeconds(2);

    private readonly ReplicaLag _lag = new(clock);

    public IReadOnlyList<FollowedRepository> Repositories =>
    [
        .. local.All
            .OrderBy(r => r.Definition.Repository.Value, StringComparer.Ordinal)
            .Select(r => new FollowedRepository(
                r.Definition, keys.TryLoad(r.Definition.Repository.Value)?.Cvmfs.MasterPublicKeyPem ?? "", r.SeenSequence, r.Revision, r.Problem)),
    ];

    public IReadOnlyList<string> DataUrls =>
    [
        .. stores.Stores.OrderByDescending(s => s.Id == stores.OwnId).ThenBy(s => s.Id, StringComparer.Ordinal).Select(s => s.Url).Where(u => u.Length > 0),
    ];

    public IDisposable Watch(Action moved)
    {
        local.Moved += moved;
        return new Watching(() => local.Moved -= moved);
    }

    public async Task<IReadOnlyList<SequencedEvent>> EventsAsync(RepositoryId repository, long after, int max, CancellationToken ct)
    {
        try
        {
            return await Local(repository.Value).EventsAsync(after, max, ct).ConfigureAwait(false);
        }
        catch (JournalUnavailableException e)
        {
            throw core.Away(e);
        }
    }

    public async Task<byte[]?> SmallRecordAsync(RepositoryId repository, string digest, int bytesMax, CancellationToken ct)
    {
        if (Local(repository.Value).Backend is not StoreBackend backend || backend.Store.Blobs.OpenRead(digest) is not { } file)
            return null;
        await using (file)
        {
            if (file.Length > bytesMax)
                return null;
            var bytes = new byte[file.Length];
            await file.ReadExactlyAsync(bytes, ct).ConfigureAwait(false);
            return bytes;
        }
    }

    public async Task<bool> IsForgottenAsync(RepositoryId repository, ulong revision, string digest, CancellationToken ct)
    {
        var own = Local(repository.Value);
        if (own.Backend is not StoreBackend backend || backend.Store.Blobs.Contains(digest))
            return false;
        try
        {
            return await own.IsForgottenAsync(revision, ct).ConfigureAwait(false);
        }
        catch (JournalUnavailableException e)
        {
            throw core.Away(e);
        }
    }

    public ReplicaSession Open(ReplicaId replica, string site, string dataUrl)
    {
        var member = core.Joined ?? throw core.Away();
        var replicas = member.Registry.Get<Replica>();
        return new ReplicaSession(replica, site, dataUrl, session =>
        {
            var actor = member.System.ActorOf(Props.Create(() => new ReplicaSessionActor(session, replicas)));
            return message => actor.Tell(message);
        });
    }

    public async Task<IReadOnlyList<ReplicaView>> ListAsync(string? fqrn, CancellationToken ct)
    {
        IReadOnlyList<LocalRepository> repositories = fqrn is null
            ? [.. local.All.OrderBy(r => r.Definition.Repository.Value, StringComparer.Ordinal)]
            : [Local(fqrn)];
        var lists = await Task.WhenAll(repositories.Select(r => ListAsync(r, ct))).ConfigureAwait(false);
        return [.. lists.SelectMany(l => l)];
    }

    public async Task<ReplicaView> ChangeAsync(string fqrn, ReplicaId replica, ReplicaChange change, CancellationToken ct)
    {
        var repository = Local(fqrn);
        var key = new ReplicaKey(repository.Definition.Repository, replica);
        var known = await AskReplicaAsync(new GetReplica(key), ct).ConfigureAwait(false);
        if (!known.Registered)
            throw Unknown(key);
        var after = await AskReplicaAsync(
            change switch
            {
                ReplicaChange.Pause => new Pause(key),
                ReplicaChange.Resume => new Resume(key),
                ReplicaChange.Remove => new Remove(key),
                ReplicaChange.Scrub { BytesPerSecond: var rate } => new Scrub(key, rate),
                _ => throw new ArgumentException($"{change} is no change of a replica.", nameof(change)),
            },
            ct).ConfigureAwait(false);
        if (change is ReplicaChange.Scrub && !after.IsReachable(clock.GetUtcNow()))
            throw new PublishingException(PublishingCodes.ReplicaUnreachable, $"The replica {replica} of {fqrn} is not connected, so it cannot be told to scrub.", key.ToString(), "Start it, or look at its connection, and try again.");
        return await ViewAsync(change is ReplicaChange.Remove ? known : after, repository, ct).ConfigureAwait(false);
    }

    public async Task<ReplicaWait> WaitAsync(string fqrn, ulong revision, ReplicaCondition condition, TimeSpan patience, CancellationToken ct)
    {
        var repository = Local(fqrn).Definition.Repository;
        long started = clock.GetTimestamp();
        while (true)
        {
            var left = patience - clock.GetElapsedTime(started);
            var slice = left < WaitSlice ? left > TimeSpan.Zero ? left : TimeSpan.Zero : WaitSlice;
            try
            {
                var answer = (ReplicaWaitIs)await questions.AskAsync<ReplicaDirectory>(
                    new AwaitReplicas(repository, revision, condition, slice), slice + AnswerTimeout, ct).ConfigureAwait(false);
                if (answer.Wait.Reached || clock.GetElapsedTime(started) >= patience)
                    return answer.Wait;
            }
            catch (AskTimeoutException e) when (clock.GetElapsedTime(started) >= patience)
            {
                throw NoAnswer(fqrn, e);
            }
            catch (AskTimeoutException)
            {
                // Moved, or one of the replicas it has to hear of is: asked again.
            }
        }
    }

    private async Task<IReadOnlyList<ReplicaView>> ListAsync(LocalRepository repository, CancellationToken ct)
    {
        var views = new List<ReplicaView>();
        string after = "";
        while (true)
        {
            ReplicaList part;
            try
            {
                part = (ReplicaList)await questions.AskAsync<ReplicaDirectory>(new ListReplicas(repository.Definition.Repository, after), AnswerTimeout, ct).ConfigureAwait(false);
            }
            catch (AskTimeoutException e)
            {
                throw NoAnswer(repository.Definition.Repository.Value, e);
            }

            foreach (var replica in part.Replicas)
                views.Add(await ViewAsync(replica, repository, ct).ConfigureAwait(false));
            if (!part.More || part.Replicas.Count == 0)
                return views;
            after = part.Replicas[^1].Key.Replica.Value;
        }
    }

    private async Task<ReplicaView> ViewAsync(ReplicaSummary replica, LocalRepository repository, CancellationToken ct)
    {
        try
        {
            return await _lag.OfAsync(replica, repository, ct).ConfigureAwait(false);
        }
        catch (JournalUnavailableException e)
        {
            throw core.Away(e);
        }
    }

    private async Task<ReplicaSummary> AskReplicaAsync(IReplicaMessage message, CancellationToken ct) =>
        ((ReplicaIs)await questions.AskAsync<Replica>(message, AnswerTimeout, PublishingCodes.OutcomeUnknown, message.Key.ToString(), ct).ConfigureAwait(false)).Replica;

    private LocalRepository Local(string fqrn) => local.Require(fqrn);

    private static PublishingException NoAnswer(string fqrn, Exception inner) => new(
        PublishingCodes.NoLeader, "The list of replicas is being moved to another node, or not all of them could be asked.", fqrn, "Try again; it is safe.", TimeSpan.FromSeconds(1), inner);

    private static PublishingException Unknown(ReplicaKey key) => new(
        PublishingCodes.UnknownReplica, $"{key.Repository} has no replica {key.Replica}.", key.ToString(), "cvmfsnix replica list shows those there are.");

    private sealed class Watching(Action stop) : IDisposable
    {
        public void Dispose() => stop();
    }
}
