using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>Shows replicas and changes them, as operators ask for it.</summary>
public sealed class ReplicaAdministration(IReplicationCore core, ILogger<ReplicaAdministration> log)
{
    /// <summary>The replicas asked for.</summary>
    /// <exception cref="NodeException">UnknownReplica: one was named, and there is none of that name.</exception>
    public async Task<ListReplicasReply> ListAsync(ListReplicasRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        var reply = new ListReplicasReply();
        reply.Replicas.AddRange((await FindAsync(request.Repository, request.Replica, ct)).Select(ReplicaMessages.ToMessage));
        return reply;
    }

    /// <summary>Does it in one repository, or in all the replica follows.</summary>
    public async Task<ListReplicasReply> ChangeAsync(ChangeReplicaRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        ReplicaId replica = Replica(request.Replica);
        if (request.BytesPerSecond < 0)
            throw Requests.Invalid("bytes per second", "It is a number of bytes, or 0.");
        ReplicaChange change = request.Action switch
        {
            ReplicaAction.ReplicaPause => new ReplicaChange.Pause(),
            ReplicaAction.ReplicaResume => new ReplicaChange.Resume(),
            ReplicaAction.ReplicaRemove => new ReplicaChange.Remove(),
            ReplicaAction.ReplicaScrub => new ReplicaChange.Scrub(request.BytesPerSecond),
            _ => throw Requests.Invalid("action", "It is none of pause, resume, remove and scrub."),
        };
        var reply = new ListReplicasReply();
        foreach (ReplicaView view in await FindAsync(request.Repository, replica.Value, ct))
        {
            string repository = view.Replica.Key.Repository.Value;
            reply.Replicas.Add(ReplicaMessages.ToMessage(await core.ChangeAsync(repository, replica, change, ct)));
            log.LogInformation("Replica {Replica} of {Repository}: {Change}", replica, repository, change);
        }

        return reply;
    }

    private async Task<IReadOnlyList<ReplicaView>> FindAsync(string repository, string replica, CancellationToken ct)
    {
        ReplicaId? wanted = replica.Length == 0 ? null : Replica(replica);
        IReadOnlyList<ReplicaView> all = await core.ListAsync(repository.Length == 0 ? null : Requests.Repository(repository), ct);
        if (wanted is null)
            return all;
        IReadOnlyList<ReplicaView> found = [.. all.Where(v => v.Replica.Key.Replica == wanted)];
        return found.Count > 0
            ? found
            : throw new NodeException(new NodeError(
                PublishingCodes.UnknownReplica,
                repository.Length == 0 ? $"No replica {replica} is registered." : $"{repository} has no replica {replica}.",
                replica,
                "cvmfsnix replica list shows those there are."));
    }

    private static ReplicaId Replica(string text) => ReplicaId.TryParse(text, out ReplicaId id)
        ? id
        : throw Requests.Invalid("replica id", "It is 1 to 64 letters, digits, dots, dashes or underscores.");
}
