using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>Takes traces as a collector of OpenTelemetry does: OTLP over HTTP, in its JSON form.</summary>
internal sealed class TraceCollector : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly List<Span> _spans = [];
    private readonly Task _taking;

    public TraceCollector()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        int port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        Environment = new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{port}" };
        _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        _listener.Start();
        _taking = Task.Run(TakeAsync);
    }

    /// <summary>For whoever is to send traces here.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>What came of a trace so far.</summary>
    public IReadOnlyList<Span> Of(string traceId)
    {
        lock (_spans)
            return [.. _spans.Where(s => s.TraceId == traceId)];
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _taking;
        _listener.Close();
    }

    private async Task TakeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext request;
            try
            {
                request = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            bool good = request.Request.Url!.AbsolutePath == "/v1/traces" && request.Request.HttpMethod == "POST" && request.Request.ContentType == "application/json";
            if (good)
            {
                using JsonDocument document = await JsonDocument.ParseAsync(request.Request.InputStream);
                Take(document.RootElement);
            }

            request.Response.StatusCode = good ? 200 : 400;
            request.Response.ContentType = "application/json";
            await request.Response.OutputStream.WriteAsync("{}"u8.ToArray());
            request.Response.Close();
        }
    }

    private void Take(JsonElement document)
    {
        foreach (JsonElement resource in document.GetProperty("resourceSpans").EnumerateArray())
        {
            Dictionary<string, string> who = Attributes(resource.GetProperty("resource"));
            foreach (JsonElement span in resource.GetProperty("scopeSpans").EnumerateArray().SelectMany(s => s.GetProperty("spans").EnumerateArray()))
            {
                var taken = new Span(
                    span.GetProperty("traceId").GetString()!,
                    span.GetProperty("spanId").GetString()!,
                    span.TryGetProperty("parentSpanId", out JsonElement parent) ? parent.GetString()! : "",
                    span.GetProperty("name").GetString()!,
                    who["service.name"],
                    who["service.instance.id"],
                    ulong.Parse(span.GetProperty("startTimeUnixNano").GetString()!, System.Globalization.CultureInfo.InvariantCulture),
                    ulong.Parse(span.GetProperty("endTimeUnixNano").GetString()!, System.Globalization.CultureInfo.InvariantCulture),
                    Attributes(span));
                lock (_spans)
                    _spans.Add(taken);
            }
        }
    }

    private static Dictionary<string, string> Attributes(JsonElement of) =>
        of.GetProperty("attributes").EnumerateArray().ToDictionary(a => a.GetProperty("key").GetString()!, a => a.GetProperty("value").GetProperty("stringValue").GetString()!);

    /// <summary>A span as it came.</summary>
    internal sealed record Span(
        string TraceId, string SpanId, string ParentId, string Name, string Service, string Instance, ulong Start, ulong End, IReadOnlyDictionary<string, string> Attributes);
}
