using System.Globalization;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>The nodes a new one could join through, in the two shapes there are: of Akka.NET, and of Akka and Pekko.</summary>
public static class SeedNodes
{
    // As Akka.NET counts them.
    private static readonly string[] Statuses = ["Joining", "Up", "Leaving", "Exiting", "Down", "Removed", "WeaklyUp"];

    /// <summary>Capitalised names, addresses as objects, the status as a number.</summary>
    public static JsonObject DotNet(ClusterMembers members, int max) => new()
    {
        ["SelfNode"] = Address(members.Self),
        ["Nodes"] = new JsonArray([.. Usable(members, max).Select(m => new JsonObject
        {
            ["Node"] = Address(m.Address),
            ["NodeUid"] = m.Uid,
            ["Status"] = Array.IndexOf(Statuses, m.Status),
            ["Roles"] = new JsonArray([.. m.Roles.Select(r => (JsonNode)r)]),
        })]),
    };

    /// <summary>Names that begin small, addresses and statuses as texts.</summary>
    public static JsonObject Jvm(ClusterMembers members, int max) => new()
    {
        ["selfNode"] = members.Self,
        ["seedNodes"] = new JsonArray([.. Usable(members, max).Select(m => new JsonObject
        {
            ["node"] = m.Address,
            ["nodeUid"] = m.Uid,
            ["status"] = m.Status,
            ["roles"] = new JsonArray([.. m.Roles.Select(r => (JsonNode)r)]),
        })]),
    };

    // A node that is on its way out sends nobody to its cluster.
    private static IEnumerable<ClusterMemberState> Usable(ClusterMembers members, int max) => members.Own is { Status: "Up" or "WeaklyUp" or "Joining" }
        ? members.All.Where(m => m.Reachable && m.Status is "Up" or "WeaklyUp" or "Joining").OrderBy(_ => Random.Shared.Next()).Take(max)
        : [];

    private static JsonObject Address(string address)
    {
        // protocol://system@host:port
        string[] parts = address.Split(["://", "@"], 3, StringSplitOptions.None);
        int colon = parts.Length == 3 ? parts[2].LastIndexOf(':') : -1;
        return new JsonObject
        {
            ["Host"] = colon < 0 ? "" : parts[2][..colon],
            ["Port"] = colon < 0 ? 0 : int.Parse(parts[2].AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture),
            ["System"] = parts.Length > 1 ? parts[1] : "",
            ["Protocol"] = parts[0],
            ["HasLocalScope"] = colon < 0,
            ["HasGlobalScope"] = colon >= 0,
        };
    }
}
