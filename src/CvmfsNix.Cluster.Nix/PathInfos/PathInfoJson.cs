using System.Text.Json;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>
/// What <c>nix path-info --json</c> prints: an array of objects with a <c>path</c> each, or, since Nix 2.19, an object with
/// one member per path. Only signatures and content addresses are taken; fields that are not known are passed over.
/// </summary>
internal static class PathInfoJson
{
    // Far above what a command line's worth of paths needs; the document is held in memory.
    private const int DocumentBytesMax = 256 << 20;

    /// <summary>Reads the document.</summary>
    /// <exception cref="PathInfoJsonException">It is something else, tells of a path twice, or of one that is not valid.</exception>
    public static async Task<Dictionary<StorePathName, PathProvenance>> ReadAsync(Stream json, StoreDirectory directory, CancellationToken cancellationToken)
    {
        using JsonDocument document = await ParseAsync(json, cancellationToken);
        Dictionary<StorePathName, PathProvenance> found = [];
        foreach ((string path, JsonElement info) in Infos(document.RootElement))
        {
            if (!found.TryAdd(ParsePath(path, directory), Provenance(path, info)))
                throw new PathInfoJsonException($"{path} is told of twice");
        }

        return found;
    }

    private static async Task<JsonDocument> ParseAsync(Stream json, CancellationToken cancellationToken)
    {
        using MemoryStream text = new();
        byte[] part = new byte[64 * 1024];
        int count;
        while ((count = await json.ReadAsync(part, cancellationToken)) > 0)
        {
            if (text.Length + count > DocumentBytesMax)
                throw new PathInfoJsonException($"it is longer than {DocumentBytesMax} bytes");
            text.Write(part, 0, count);
        }

        try
        {
            return JsonDocument.Parse(text.ToArray());
        }
        catch (JsonException e)
        {
            throw new PathInfoJsonException($"it is not JSON: {e.Message}", e);
        }
    }

    private static IEnumerable<(string Path, JsonElement Info)> Infos(JsonElement root) => root.ValueKind switch
    {
        JsonValueKind.Array => root.EnumerateArray().Select(static info => (
            info.ValueKind == JsonValueKind.Object && info.TryGetProperty("path", out JsonElement path) ? Text(path, "path") : throw new PathInfoJsonException("an element has no path"),
            info)),
        JsonValueKind.Object => root.EnumerateObject().Select(static member => (Name(member), member.Value)),
        _ => throw new PathInfoJsonException($"it is neither array nor object but {root.ValueKind}"),
    };

    private static PathProvenance Provenance(string path, JsonElement info)
    {
        if (info.ValueKind != JsonValueKind.Object || (info.TryGetProperty("valid", out JsonElement valid) && valid.ValueKind == JsonValueKind.False))
            throw new PathInfoJsonException($"{path} is not valid");
        List<string> signatures = [];
        if (info.TryGetProperty("signatures", out JsonElement list) && list.ValueKind != JsonValueKind.Null)
        {
            if (list.ValueKind != JsonValueKind.Array)
                throw new PathInfoJsonException($"the signatures of {path} are no array");
            signatures.AddRange(list.EnumerateArray().Select(static signature => Text(signature, "a signature")));
        }

        string? address = info.TryGetProperty("ca", out JsonElement ca) && ca.ValueKind != JsonValueKind.Null ? Text(ca, $"the content address of {path}") : null;
        return new PathProvenance(signatures, address);
    }

    private static string Text(JsonElement element, string what)
    {
        // An escaped lone surrogate is JSON, but no text.
        try
        {
            return element.ValueKind == JsonValueKind.String && element.GetString() is { Length: > 0 } text
                ? text
                : throw new PathInfoJsonException($"{what} is no text");
        }
        catch (InvalidOperationException e)
        {
            throw new PathInfoJsonException($"{what} is no text", e);
        }
    }

    private static string Name(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new PathInfoJsonException("a member's name is no text", e);
        }
    }

    private static StorePathName ParsePath(string text, StoreDirectory directory)
    {
        try
        {
            return directory.ParsePath(text);
        }
        catch (StorePathFormatException e)
        {
            throw new PathInfoJsonException(e.Message, e);
        }
    }
}
