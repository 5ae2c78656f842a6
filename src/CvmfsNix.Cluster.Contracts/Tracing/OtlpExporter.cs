using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Threading.Channels;

namespace CvmfsNix.Cluster.Contracts.Tracing;

/// <summary>
/// Sends spans to a collector, as OTLP over HTTP in its JSON form. Never in the way: what cannot be sent is dropped, and whoever adds a span does not wait.
/// </summary>
public sealed class OtlpExporter : IAsyncDisposable
{
    private const int Waiting = 4096;
    private const int AtOnce = 512;
    private const long TicksOfNanosecond = 100;
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LeaveTime = TimeSpan.FromSeconds(2);

    private readonly Channel<TraceSpan> _spans = Channel.CreateBounded<TraceSpan>(new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.DropOldest });
    private readonly OtlpSettings _settings;
    private readonly string _instance;
    private readonly Action<string> _trouble;
    private readonly HttpClient _http;
    private readonly Task _sending;
    private bool _troubled;

    /// <summary>Begins.</summary>
    /// <param name="settings">Where to.</param>
    /// <param name="instance">Which process of the service this is.</param>
    /// <param name="trouble">Told when the collector does not take spans; once, until it does again.</param>
    public OtlpExporter(OtlpSettings settings, string instance, Action<string> trouble)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_settings, _instance, _trouble) = (settings, instance, trouble);
        _http = new HttpClient { Timeout = SendTime };
        _sending = Task.Run(SendAsync);
    }

    /// <summary>Has a span sent.</summary>
    public void Add(TraceSpan span) => _spans.Writer.TryWrite(span);

    /// <summary>Sends what waits, for a short time.</summary>
    public async ValueTask DisposeAsync()
    {
        _spans.Writer.TryComplete();
        await Task.WhenAny(_sending, Task.Delay(LeaveTime)).ConfigureAwait(false);
        _http.Dispose();
    }

    /// <summary>The document of some spans.</summary>
    public static byte[] Write(string service, string instance, IReadOnlyCollection<TraceSpan> spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteStartArray("resourceSpans");
            json.WriteStartObject();
            json.WriteStartObject("resource");
            Attributes(json, [new("service.name", service), new("service.instance.id", instance)]);
            json.WriteEndObject();
            json.WriteStartArray("scopeSpans");
            json.WriteStartObject();
            json.WriteStartObject("scope");
            json.WriteString("name", "CvmfsNix.Cluster");
            json.WriteEndObject();
            json.WriteStartArray("spans");
            foreach (TraceSpan span in spans)
                Span(json, span);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Span(Utf8JsonWriter json, TraceSpan span)
    {
        const int internalKind = 1;
        const int failed = 2;
        json.WriteStartObject();
        json.WriteString("traceId", span.TraceId);
        json.WriteString("spanId", span.SpanId);
        if (span.ParentId.Length > 0)
            json.WriteString("parentSpanId", span.ParentId);
        json.WriteString("name", span.Name);
        json.WriteNumber("kind", internalKind);
        json.WriteString("startTimeUnixNano", Nanoseconds(span.StartedAt));
        json.WriteString("endTimeUnixNano", Nanoseconds(span.EndedAt < span.StartedAt ? span.StartedAt : span.EndedAt));
        Attributes(json, [new("cvmfsnix.transaction", span.Transaction.ToString()), .. span.Attributes]);
        if (span.Failed)
        {
            json.WriteStartObject("status");
            json.WriteNumber("code", failed);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void Attributes(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> attributes)
    {
        json.WriteStartArray("attributes");
        foreach ((string key, string value) in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key", key);
            json.WriteStartObject("value");
            json.WriteString("stringValue", value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // 64-bit numbers are texts in the JSON form of protobuf.
    private static string Nanoseconds(DateTimeOffset time) => ((time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) * TicksOfNanosecond).ToString(CultureInfo.InvariantCulture);

    private async Task SendAsync()
    {
        var part = new List<TraceSpan>(AtOnce);
        while (await _spans.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (part.Count < AtOnce && _spans.Reader.TryRead(out TraceSpan? span))
                part.Add(span);
            await SendAsync(part).ConfigureAwait(false);
            part.Clear();
        }
    }

    private async Task SendAsync(List<TraceSpan> part)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _settings.Endpoint) { Content = new ByteArrayContent(Write(_settings.Service, _instance, part)) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            foreach ((string name, string value) in _settings.Headers)
                request.Headers.TryAddWithoutValidation(name, value);
            using HttpResponseMessage answer = await _http.SendAsync(request).ConfigureAwait(false);
            answer.EnsureSuccessStatusCode();
            _troubled = false;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            if (!_troubled)
                _trouble($"Traces are not taken by {_settings.Endpoint.GetLeftPart(UriPartial.Path)}: {e.Message}");
            _troubled = true;
        }
    }
}
