using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Node.Gateway;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>The status as JSON, the same document <c>cvmfsnix status --json</c> prints.</summary>
public static class StatusDocument
{
    /// <summary>UTF-8 bytes of the document.</summary>
    public static byte[] Write(ClusterStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var document = new JsonObject
        {
            ["node"] = status.Node,
            ["roles"] = Texts(status.Roles),
            ["leader"] = status.Leader,
            ["epoch"] = status.Epoch,
            ["members"] = new JsonArray([.. status.Members.Select(m => new JsonObject
            {
                ["address"] = m.Address,
                ["roles"] = Texts(m.Roles),
                ["status"] = m.Status,
                ["reachable"] = m.Reachable,
            })]),
            ["repositories"] = new JsonArray([.. status.Repositories.Select(r => new JsonObject
            {
                ["repository"] = r.Repository,
                ["revision"] = r.Revision,
                ["rootHash"] = r.RootHash,
                ["queued"] = r.Queued,
                ["inFlight"] = r.InFlight,
                ["openTransactions"] = r.OpenTransactions,
                ["problem"] = r.Problem,
                ["warning"] = r.Warning,
            })]),
            ["replicas"] = new JsonArray([.. status.Replicas.Select(Replica)]),
        };
        return JsonSerializer.SerializeToUtf8Bytes(document);
    }

    private static JsonObject Replica(ReplicaView view) => new()
    {
        ["repository"] = view.Replica.Key.Repository.Value,
        ["replica"] = view.Replica.Key.Replica.Value,
        ["site"] = view.Replica.Site,
        ["state"] = ReplicaMessages.NameOf(view.Standing),
        ["revision"] = view.Replica.Position.Revision,
        ["lagRevisions"] = view.LagRevisions,
        ["lagBytes"] = view.LagBytes,
        ["lagSeconds"] = view.LagTime.TotalSeconds,
        ["lagEvents"] = view.LagEvents,
        ["lastSeenAt"] = view.Replica.LastSeenAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["problem"] = view.Replica.Position.Problem.Length > 0 ? view.Replica.Position.Problem : null,
    };

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);
}
