using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>A cluster with the replicas a test gives it.</summary>
internal sealed class FakeReplication : IReplicationCore
{
    public List<ReplicaSummary> Replicas { get; } = [];

    public List<(ReplicaId Replica, ReplicaChange Change)> Changes { get; } = [];

    public IReadOnlyList<FollowedRepository> Repositories => [];

    public IReadOnlyList<string> DataUrls => [];

    public static ReplicaSummary Summary(string replica, ulong revision, string site = "geneva", bool paused = false, string problem = "") => new(
        new ReplicaKey(RepositoryId.Parse(FakeCore.Repository), ReplicaId.Parse(replica)), true, site, "", paused, true, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow,
        new ReplicaPosition((long)revision, revision, "ab", Problem: problem), null);

    public IDisposable Watch(Action moved) => throw new NotSupportedException();

    public Task<IReadOnlyList<SequencedEvent>> EventsAsync(RepositoryId repository, long after, int max, CancellationToken ct) => throw new NotSupportedException();

    public Task<byte[]?> SmallRecordAsync(RepositoryId repository, string digest, int bytesMax, CancellationToken ct) => throw new NotSupportedException();

    public ReplicaSession Open(ReplicaId replica, string site, string dataUrl) =>
        throw new PublishingException(PublishingCodes.NoLeader, "This node is in no cluster.", "");

    public Task<IReadOnlyList<ReplicaView>> ListAsync(string? fqrn, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<ReplicaView>>([.. Replicas.Select(r => new ReplicaView { Replica = r, Standing = ReplicaStanding.Following, LagRevisions = 3 })]);

    public Task<ReplicaView> ChangeAsync(string fqrn, ReplicaId replica, ReplicaChange change, CancellationToken ct)
    {
        Changes.Add((replica, change));
        return Task.FromResult(new ReplicaView { Replica = Replicas.First(r => r.Key.Replica == replica), Standing = ReplicaStanding.Paused });
    }

    public Task<ReplicaWait> WaitAsync(string fqrn, ulong revision, ReplicaCondition condition, TimeSpan patience, CancellationToken ct) =>
        Task.FromResult(condition.Judge(revision, Replicas));
}
