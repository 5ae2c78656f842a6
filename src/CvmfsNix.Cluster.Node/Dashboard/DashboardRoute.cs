using System.Collections.Concurrent;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Dashboard;

/// <summary>
/// <c>/</c>: one page for people, and <c>/dashboard/events</c>, which feeds it. The page needs nothing from anywhere else, and its numbers
/// are those of <c>/metrics</c>.
/// </summary>
public sealed class DashboardRoute(NodeMetrics metrics, ClusterObserver observer, IServiceProvider services, IHostApplicationLifetime lifetime, TimeProvider time) : IManagementRoute
{
    private const int RevisionsShown = 8;
    private const int RepositoriesWithRevisions = 5;
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(1);
    private static readonly byte[] Page = ReadPage();
    private readonly ConcurrentDictionary<string, (ulong Revision, IReadOnlyList<RevisionRow> Rows)> _rows = new(StringComparer.Ordinal);

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public string Paths => "/";

    public async Task<bool> TryServeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        bool get = HttpMethods.IsGet(context.Request.Method);
        switch (context.Request.Path.Value)
        {
            case "/" or "" when get || HttpMethods.IsHead(context.Request.Method):
                await PageAsync(context);
                return true;
            case "/dashboard/events" when get:
                await EventsAsync(context);
                return true;
            default:
                return false;
        }
    }

    private static async Task PageAsync(HttpContext context)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.ContentLength = Page.Length;
        context.Response.Headers.CacheControl = "no-cache";
        // Names come from operators and builders: whatever they hold, nothing of it runs, and nothing is fetched from elsewhere.
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (HttpMethods.IsGet(context.Request.Method))
            await context.Response.Body.WriteAsync(Page, context.RequestAborted);
    }

    private async Task EventsAsync(HttpContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        try
        {
            // For whoever wants the numbers of the moment and no stream, as a browser that is to print the page.
            bool once = context.Request.Query.ContainsKey("once");
            bool first = true;
            using var timer = new PeriodicTimer(TellEvery, time);
            do
            {
                JsonObject document = await DocumentAsync(first, ended.Token);
                await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data:{document.ToJsonString(Plain)}\n\n"), ended.Token);
                await context.Response.Body.FlushAsync(ended.Token);
                first = false;
            }
            while (!once && await timer.WaitForNextTickAsync(ended.Token));
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The page was closed, or the node stops.
        }
    }

    private async Task<JsonObject> DocumentAsync(bool withPast, CancellationToken ct)
    {
        IReadOnlyList<MetricFamily> families = await metrics.CollectAsync(ct);
        ClusterSight? sight = observer.Last;
        var document = new JsonObject
        {
            ["at"] = time.GetUtcNow().ToUnixTimeMilliseconds(),
            ["metrics"] = new JsonObject(families.Where(f => f.Samples.Count > 0).Select(f => new KeyValuePair<string, JsonNode?>(f.Name, new JsonArray([.. f.Samples.Select(s => Sample(f, s))])))),
        };
        if (sight is null)
            return document;
        document["node"] = sight.Status.Node;
        document["leader"] = sight.Status.Leader;
        document["notReady"] = sight.Ready;
        document["members"] = new JsonArray([.. sight.Status.Members.Select(m => new JsonObject { ["address"] = m.Address, ["status"] = m.Status, ["reachable"] = m.Reachable })]);
        document["problems"] = new JsonArray([.. sight.Status.Repositories.Where(r => !string.IsNullOrEmpty(r.Problem) || r.Warning is not null).Select(r => new JsonObject { ["repository"] = r.Repository, ["problem"] = r.Problem, ["warning"] = r.Warning })]);
        document["revisions"] = await RevisionsAsync(sight.Status.Repositories, ct);
        if (withPast)
        {
            document["past"] = new JsonArray([.. observer.Past.Select(p => new JsonObject
            {
                ["at"] = p.At.ToUnixTimeMilliseconds(),
                ["revisions"] = p.Revisions,
                ["waiting"] = p.Waiting,
                ["lag"] = new JsonObject(p.Lag.Select(l => new KeyValuePair<string, JsonNode?>(l.Key, l.Value))),
            })]);
        }

        return document;
    }

    private async Task<JsonArray> RevisionsAsync(IReadOnlyList<RepositoryView> repositories, CancellationToken ct)
    {
        var rows = new List<RevisionRow>();
        foreach (RepositoryView repository in repositories.OrderByDescending(r => r.PublishedAt).Take(RepositoriesWithRevisions))
            rows.AddRange(await RowsAsync(repository, ct));
        return new JsonArray([.. rows.OrderByDescending(r => r.At).ThenByDescending(r => r.Revision).Take(RevisionsShown).Select(r => new JsonObject
        {
            ["repository"] = r.Repository,
            ["revision"] = r.Revision,
            ["at"] = r.At.ToUnixTimeMilliseconds(),
            ["pathsNew"] = r.PathsNew,
            ["transactions"] = r.Transactions,
            ["rootHash"] = r.RootHash,
        })]);
    }

    // Pages ask every second; the journal is read when there is something new in it.
    private async Task<IReadOnlyList<RevisionRow>> RowsAsync(RepositoryView repository, CancellationToken ct)
    {
        if (_rows.TryGetValue(repository.Repository, out var known) && known.Revision == repository.Revision)
            return known.Rows;
        if (services.GetService(typeof(IRepositoryHistory)) is not IRepositoryHistory history)
            return [];
        try
        {
            IReadOnlyList<RevisionRow> rows = [.. (await history.RevisionsAsync(repository.Repository, RevisionsShown, ct)).Select(past => new RevisionRow(
                repository.Repository, past.Revision.Head.Revision, past.Revision.Head.PublishedAt, past.Outcomes.Sum(o => o.PathsNew), past.Outcomes.Count, past.Revision.Head.RootHash.ToString()))];
            // This node may not serve the newest one yet: it is asked again then.
            if (rows.Count > 0)
                _rows[repository.Repository] = (rows[0].Revision, rows);
            return rows;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The journal cannot be read now; the rest of the page is worth having.
            return known.Rows ?? [];
        }
    }

    private sealed record RevisionRow(string Repository, ulong Revision, DateTimeOffset At, int PathsNew, int Transactions, string RootHash);

    private static JsonObject Sample(MetricFamily family, MetricSample s)
    {
        var sample = new JsonObject
        {
            ["labels"] = new JsonObject(s.Labels.Select(l => new KeyValuePair<string, JsonNode?>(l.Key, l.Value))),
            ["value"] = double.IsFinite(s.Value) ? s.Value : null,
        };
        if (family.Kind != MetricKind.Histogram)
            return sample;
        sample["count"] = s.Count;
        sample["buckets"] = new JsonArray([.. s.Buckets.Select(b => new JsonArray(double.IsFinite(b.Key) ? b.Key : null, b.Value))]);
        return sample;
    }

    private static byte[] ReadPage()
    {
        using Stream page = typeof(DashboardRoute).Assembly.GetManifestResourceStream("dashboard.html")!;
        using var copy = new MemoryStream();
        page.CopyTo(copy);
        return copy.ToArray();
    }
}
