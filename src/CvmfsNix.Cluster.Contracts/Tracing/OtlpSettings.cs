using System.Collections;

namespace CvmfsNix.Cluster.Contracts.Tracing;

/// <summary>Where traces are sent, by the environment variables that OpenTelemetry fixes.</summary>
/// <param name="Endpoint">Takes OTLP over HTTP, as <c>http://collector:4318/v1/traces</c>.</param>
/// <param name="Headers">Sent along, as for authentication.</param>
/// <param name="Service">Name of the service.</param>
public sealed record OtlpSettings(Uri Endpoint, IReadOnlyDictionary<string, string> Headers, string Service)
{
    private const string TracesPath = "v1/traces";

    /// <summary>
    /// Reads <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> or <c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>, <c>OTEL_EXPORTER_OTLP_HEADERS</c>, <c>OTEL_SERVICE_NAME</c> and
    /// <c>OTEL_SDK_DISABLED</c>.
    /// </summary>
    /// <param name="environment">Variables by name.</param>
    /// <param name="service">Name of the service where none is given.</param>
    /// <returns>Null when traces are not wanted, or the address is none.</returns>
    public static OtlpSettings? Read(IDictionary environment, string service)
    {
        ArgumentNullException.ThrowIfNull(environment);
        string Text(string name) => environment[name] as string ?? "";
        if (Text("OTEL_SDK_DISABLED").Equals("true", StringComparison.OrdinalIgnoreCase))
            return null;
        string own = Text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), common = Text("OTEL_EXPORTER_OTLP_ENDPOINT");
        string address = own.Length > 0 ? own : common.Length > 0 ? $"{common.TrimEnd('/')}/{TracesPath}" : "";
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? endpoint) || endpoint.Scheme is not ("http" or "https"))
            return null;
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string header in Text("OTEL_EXPORTER_OTLP_HEADERS").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (header.IndexOf('=', StringComparison.Ordinal) is var at and > 0)
                headers[header[..at].Trim()] = Uri.UnescapeDataString(header[(at + 1)..].Trim());
        }

        return new OtlpSettings(endpoint, headers, Text("OTEL_SERVICE_NAME") is { Length: > 0 } name ? name : service);
    }
}
