using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Mirrors;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>The status document of a mirror. It has the shape of a core node's; what only members have is empty.</summary>
public static class MirrorStatus
{
    /// <summary>UTF-8 bytes of the document.</summary>
    /// <param name="replica">Id of the mirror.</param>
    /// <param name="site">Its datacenter.</param>
    /// <param name="positions">Its repositories.</param>
    /// <param name="followed">URL of what it follows now; empty = nothing.</param>
    /// <param name="problem">Why it follows nothing; empty = it does.</param>
    public static byte[] Write(string replica, string site, IReadOnlyList<MirrorPosition> positions, string followed, string problem)
    {
        ArgumentNullException.ThrowIfNull(positions);
        var document = new JsonObject
        {
            ["node"] = replica,
            ["roles"] = new JsonArray("stratum1"),
            ["leader"] = null,
            ["epoch"] = 0,
            ["members"] = new JsonArray(),
            ["repositories"] = new JsonArray([.. positions.Select(p => new JsonObject
            {
                ["repository"] = p.Repository,
                ["revision"] = p.Revision,
                ["rootHash"] = p.RootHash,
                ["queued"] = 0,
                ["inFlight"] = 0,
                ["openTransactions"] = 0,
                ["problem"] = p.Problem.Length > 0 ? p.Problem : null,
                ["warning"] = problem.Length > 0 ? problem : null,
            })]),
            ["replicas"] = new JsonArray([.. positions.Select(p => new JsonObject
            {
                ["repository"] = p.Repository,
                ["replica"] = replica,
                ["site"] = site,
                ["state"] = StateOf(p, followed.Length > 0),
                ["revision"] = p.Revision,
                ["lagRevisions"] = p.HeadRevision > p.Revision ? p.HeadRevision - p.Revision : 0,
                ["lagBytes"] = p.MissingBytes,
                ["missingObjects"] = p.MissingObjects,
                ["sequence"] = p.Sequence,
                ["headSequence"] = p.HeadSequence,
                ["servedSince"] = p.ServedAt?.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
            })]),
            ["follows"] = followed.Length > 0 ? followed : null,
        };
        return JsonSerializer.SerializeToUtf8Bytes(document);
    }

    private static string StateOf(MirrorPosition position, bool following) => position switch
    {
        { Paused: true } => "paused",
        _ when !following => "unreachable",
        { CatchingUp: true } or { Revision: 0 } => "catching-up",
        _ => "following",
    };
}
