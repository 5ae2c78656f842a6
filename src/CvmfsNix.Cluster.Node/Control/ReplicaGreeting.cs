using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>A mirror's hello, checked.</summary>
/// <param name="Replica">Its id.</param>
/// <param name="Site">Its datacenter.</param>
/// <param name="DataUrl">How siblings reach it; empty = they cannot.</param>
/// <param name="Repositories">What it wants; null = everything.</param>
/// <param name="Positions">Where it stands.</param>
public sealed record ReplicaGreeting(
    ReplicaId Replica, string Site, string DataUrl, IReadOnlySet<RepositoryId>? Repositories, IReadOnlyDictionary<RepositoryId, ReplicaPosition> Positions)
{
    private const int RepositoriesMax = 10_000;
    private const int UrlLengthMax = 300;

    /// <summary>Whether it follows a repository.</summary>
    public bool Wants(RepositoryId repository) => Repositories?.Contains(repository) != false;

    /// <summary>Checks a hello.</summary>
    /// <exception cref="NodeException">It is malformed, or of a version that is not known here.</exception>
    public static ReplicaGreeting Read(ReplicaHello hello)
    {
        ArgumentNullException.ThrowIfNull(hello);
        if (hello.Protocol != ReplicationService.Protocol)
            throw new NodeException(new NodeError(NodeCodes.Unsupported, $"The replica speaks version {hello.Protocol} of the protocol, this node version {ReplicationService.Protocol}.", hello.Replica, "Bring both to the same version; the older one first."));
        if (!ReplicaId.TryParse(hello.Replica, out ReplicaId replica))
            throw Requests.Invalid("replica id", "It is 1 to 64 letters, digits, dots, dashes or underscores.");
        if (!ReplicaId.IsName(hello.Site))
            throw Requests.Invalid("site", "It is 1 to 64 letters, digits, dots, dashes or underscores.");
        if (hello.DataUrl.Length > 0 && (hello.DataUrl.Length > UrlLengthMax || !Uri.TryCreate(hello.DataUrl, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https")))
            throw Requests.Invalid("data URL", "It is no URL such as http://mirror.example.org:8000.");
        if (hello.Repositories.Count > RepositoriesMax || hello.Positions.Count > RepositoriesMax)
            throw Requests.Invalid("hello", $"It names more than {RepositoriesMax} repositories.");
        var positions = new Dictionary<RepositoryId, ReplicaPosition>();
        foreach (RepositoryPosition position in hello.Positions)
            positions[RepositoryId.Parse(Requests.Repository(position.Repository))] = ReplicationMapping.Position(position);
        return new ReplicaGreeting(
            replica,
            hello.Site,
            hello.DataUrl.TrimEnd('/'),
            hello.Repositories.Count == 0 ? null : hello.Repositories.Select(r => RepositoryId.Parse(Requests.Repository(r))).ToHashSet(),
            positions);
    }
}
