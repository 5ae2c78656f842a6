using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Hosting;

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
            ["replicas"] = new JsonArray(),
        };
        return JsonSerializer.SerializeToUtf8Bytes(document);
    }

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);
}
