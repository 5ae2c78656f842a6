using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>
/// The cluster over HTTP as operators of Akka know it: members, shards, and the seed nodes other nodes could join through. Changes are
/// made only where the node was told to take them here, and by whoever may operate.
/// </summary>
public sealed class ClusterRoute(
    IClusterMembership cluster, IShardingView shards, IAdminAccess access, CommandRunner runner, NodeOptions options) : IManagementRoute
{
    private const string MembersPath = "/cluster/members";
    private const string ShardsPath = "/cluster/shards";
    private const int SeedsMax = 5;

    public string Paths => "/cluster/members, /cluster/shards, /cluster/domain-events, /bootstrap/seed-nodes";

    public async Task<bool> TryServeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        string path = context.Request.Path.Value ?? "";
        if (path.Length > 1 && path[^1] == '/')
            path = path[..^1];
        bool member = path == MembersPath || path.StartsWith(MembersPath + "/", StringComparison.Ordinal);
        if (!member && !(path is ShardsPath or "/bootstrap/seed-nodes" || path.StartsWith(ShardsPath + "/", StringComparison.Ordinal)))
            return false;
        try
        {
            if (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method))
                await LookAsync(context, path);
            else if (member)
                await ChangeAsync(context, path);
            else
                await MessageAsync(context, StatusCodes.Status405MethodNotAllowed, "Only GET and HEAD here.");
        }
        catch (Exception e) when (e is PublishingException or NodeException)
        {
            NodeError error = ErrorMapping.Describe(e);
            if (error.Code == NodeCodes.Unauthorized)
                context.Response.Headers.WWWAuthenticate = ManagementAccess.Challenge;
            await MessageAsync(context, ErrorMapping.HttpStatus(error.Code), error.Message);
        }

        return true;
    }

    private async Task LookAsync(HttpContext context, string path)
    {
        ClusterMembers members = cluster.Members;
        switch (path)
        {
            case MembersPath:
                await JsonAsync(context, Members(members));
                break;
            case "/bootstrap/seed-nodes":
                await JsonAsync(context, context.Request.Query["shape"] == "jvm" ? SeedNodes.Jvm(members, SeedsMax) : SeedNodes.DotNet(members, SeedsMax));
                break;
            case ShardsPath:
                await JsonAsync(context, new JsonObject { ["entityTypeKeys"] = Texts(shards.Types) });
                break;
            case var _ when path.StartsWith(ShardsPath + "/", StringComparison.Ordinal):
                string type = path[(ShardsPath.Length + 1)..];
                if (await shards.LocalAsync(type, context.RequestAborted) is { } local)
                    await JsonAsync(context, new JsonObject { ["regions"] = new JsonArray([.. local.Select(s => new JsonObject { ["shardId"] = s.Shard, ["numEntities"] = s.Entities })]) });
                else
                    await MessageAsync(context, StatusCodes.Status404NotFound, $"Shard Region {type} is not started");
                break;
            default:
                string address = AddressOf(path);
                if (Find(members, address) is { } found)
                    await JsonAsync(context, Member(found));
                else
                    await MessageAsync(context, StatusCodes.Status404NotFound, $"Member [{address}] not found");
                break;
        }
    }

    private async Task ChangeAsync(HttpContext context, string path)
    {
        if (!options.ManagementWrites)
        {
            context.Response.Headers.Allow = "GET, HEAD";
            await MessageAsync(context, StatusCodes.Status405MethodNotAllowed, "This node takes no changes here; start it with --management-writes, or use pbm.");
            return;
        }

        string credential = access.Admit(AccessControl.CallerOf(context), AdminScope.Operate);
        string method = context.Request.Method.ToUpperInvariant();
        IFormCollection form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : FormCollection.Empty;
        string address = path == MembersPath ? form["address"].ToString() : AddressOf(path);
        string operation = form["operation"].ToString().ToLowerInvariant();
        (string Command, string Said, Action Do)? change = (method, path == MembersPath, operation) switch
        {
            ("DELETE", false, _) or ("PUT", false, "leave") => ("cluster leave", "Leaving", () => cluster.Leave(address)),
            ("PUT", false, "down") => ("cluster down", "Downing", () => cluster.Down(address)),
            ("POST", true, _) when address == cluster.Members.Self => ("cluster join", "Joining", () => cluster.Join()),
            _ => null,
        };
        if (change is not { } wanted)
        {
            await MessageAsync(context, StatusCodes.Status400BadRequest, "Operation not supported");
            return;
        }

        if (method != "POST" && Find(cluster.Members, address) is null)
        {
            await MessageAsync(context, StatusCodes.Status404NotFound, $"Member [{address}] not found");
            return;
        }

        var arguments = new CommandArguments(new Dictionary<string, string> { ["address"] = address });
        string who = $"{credential} over HTTP from {context.Connection.RemoteIpAddress}";
        await runner.WrittenDownAsync(wanted.Command, arguments, who, () =>
        {
            wanted.Do();
            return Task.FromResult(true);
        }, context.RequestAborted);
        await MessageAsync(context, StatusCodes.Status200OK, $"{wanted.Said} {address}");
    }

    private static string AddressOf(string path) => Uri.UnescapeDataString(path[(MembersPath.Length + 1)..]);

    private static ClusterMemberState? Find(ClusterMembers members, string address) =>
        members.All.FirstOrDefault(m => m.Address == address || m.Address[(m.Address.IndexOf("//", StringComparison.Ordinal) + 2)..] == address);

    private static JsonObject Members(ClusterMembers members)
    {
        var document = new JsonObject
        {
            ["selfNode"] = members.Self,
            ["members"] = new JsonArray([.. members.All.Select(Member)]),
            ["unreachable"] = new JsonArray([.. members.All.Where(m => !m.Reachable).Select(m => new JsonObject { ["node"] = m.Address, ["observedBy"] = Texts(m.UnreachableFor) })]),
        };
        if (members.Leader is { } leader)
            document["leader"] = leader;
        if (members.Oldest is { } oldest)
            document["oldest"] = oldest;
        document["oldestPerRole"] = new JsonObject(members.OldestByRole.Select(r => new KeyValuePair<string, JsonNode?>(r.Key, r.Value)));
        return document;
    }

    private static JsonObject Member(ClusterMemberState m) => new()
    {
        ["node"] = m.Address,
        ["nodeUid"] = m.Uid.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["status"] = m.Status,
        ["roles"] = Texts(m.Roles),
    };

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);

    private static Task MessageAsync(HttpContext context, int status, string message) => JsonAsync(context, new JsonObject { ["message"] = message }, status);

    private static async Task JsonAsync(HttpContext context, JsonObject document, int status = StatusCodes.Status200OK)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(document);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
