using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>What a ready node says on standard output and in <c>node.json</c>.</summary>
/// <param name="Pid">Of the process.</param>
/// <param name="Address">Remoting address; null for a node without one.</param>
/// <param name="Http">URL of the data port.</param>
/// <param name="Grpc">URL of the control port; null for a node without one.</param>
/// <param name="Management">URL of the management port.</param>
public sealed record ReadyDocument(
    [property: JsonPropertyName("pid")] int Pid,
    [property: JsonPropertyName("address")] string? Address,
    [property: JsonPropertyName("http")] string Http,
    [property: JsonPropertyName("grpc")] string? Grpc,
    [property: JsonPropertyName("management")] string Management)
{
    private static readonly JsonSerializerOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <summary>Reads what <see cref="ToJson"/> wrote; null when it is something else.</summary>
    public static ReadyDocument? TryRead(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<ReadyDocument>(File.ReadAllText(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}
