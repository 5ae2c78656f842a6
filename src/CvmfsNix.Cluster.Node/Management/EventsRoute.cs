using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary><c>/cluster/domain-events[?type=…]</c>: what happens to members, as server-sent events; first the members as they are.</summary>
public sealed class EventsRoute(IClusterMembership cluster, IHostApplicationLifetime lifetime, TimeProvider time) : IManagementRoute
{
    private const string Path = "/cluster/domain-events";
    private const int WaitingMax = 128;
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    public string Paths => Path;

    public async Task<bool> TryServeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Request.Path != Path || !HttpMethods.IsGet(context.Request.Method))
            return false;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        string?[] types = [.. context.Request.Query["type"]];
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        // A reader that falls behind is cut off: it has missed something either way.
        var events = Channel.CreateBounded<MembershipEvent>(WaitingMax);
        Task reading = ReadAsync(events.Writer, ended.Token);
        try
        {
            Task<bool> next = events.Reader.WaitToReadAsync(ended.Token).AsTask();
            while (true)
            {
                Task beat = Task.Delay(Heartbeat, time, ended.Token);
                if (await Task.WhenAny(next, beat) == beat)
                {
                    await beat;
                    await WriteAsync(context, "\n\n", ended.Token);
                    continue;
                }

                if (!await next)
                    break;
                while (events.Reader.TryRead(out MembershipEvent? e))
                {
                    if (types.Length == 0 || types.Any(t => Is(e.Kind, t)))
                        await WriteAsync(context, $"event:{e.Kind}\ndata:{Json(e).ToJsonString()}\n\n", ended.Token);
                }

                next = events.Reader.WaitToReadAsync(ended.Token).AsTask();
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The reader went away, or the node stops.
        }
        finally
        {
            await ended.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return true;
    }

    /// <summary>Whether an event is of a type or of one of its parents.</summary>
    public static bool Is(string kind, string? type) => type switch
    {
        "ClusterDomainEvent" => true,
        "MemberEvent" => kind is "MemberJoined" or "MemberWeaklyUp" or "MemberUp" or "MemberLeft" or "MemberExited" or "MemberDowned" or "MemberRemoved",
        "ReachabilityEvent" => kind is "UnreachableMember" or "ReachableMember",
        _ => kind == type,
    };

    private async Task ReadAsync(ChannelWriter<MembershipEvent> writer, CancellationToken ct)
    {
        try
        {
            await foreach (MembershipEvent e in cluster.EventsAsync(ct))
            {
                if (!writer.TryWrite(e))
                    break;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or PublishingException)
        {
            // In no cluster, or nobody listens any more: the stream ends.
        }
        finally
        {
            writer.TryComplete();
        }
    }

    private static JsonObject Json(MembershipEvent e)
    {
        var document = new JsonObject { ["type"] = e.Kind };
        if (e.Kind is "LeaderChanged" or "RoleLeaderChanged")
        {
            if (e.Role is { } role)
                document["role"] = role;
            if (e.Member is { } leader)
                document["address"] = leader.Address;
        }
        else if (e.Member is { } m)
        {
            document["member"] = new JsonObject
            {
                ["uniqueAddress"] = new JsonObject { ["address"] = m.Address, ["longUid"] = m.Uid },
                ["status"] = m.Status,
                ["roles"] = new JsonArray([.. m.Roles.Select(r => (JsonNode)r)]),
                ["dataCenter"] = "default",
            };
            if (e.PreviousStatus is { } previous)
                document["previousStatus"] = previous;
        }

        return document;
    }

    private static async Task WriteAsync(HttpContext context, string text, CancellationToken ct)
    {
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), ct);
        await context.Response.Body.FlushAsync(ct);
    }
}
