using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// The files by which people and monitors of stock mirrors see how this one gets on: <c>.cvmfs_last_snapshot</c>,
/// <c>.cvmfs_is_snapshotting</c> and <c>.cvmfs_status.json</c>. Times are written as <c>date --utc</c> does.
/// </summary>
public sealed class StockMarks(Action<string, string?> write, Func<string, string?> read)
{
    private const string LastSnapshot = ".cvmfs_last_snapshot";
    private const string IsSnapshotting = ".cvmfs_is_snapshotting";
    private const string Status = ".cvmfs_status.json";
    private readonly Lock _gate = new();

    /// <summary>Those of a store's repository folder.</summary>
    public static StockMarks Of(RepositoryStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        return new StockMarks(store.WriteMark, name => ReadFile(Path.Combine(store.Layout.RepositoryFolder(store.Format.Repository), name)));
    }

    /// <summary>The first copy began.</summary>
    public void Snapshotting(DateTimeOffset now) => write(IsSnapshotting, Text(now) + "\n");

    /// <summary>This moment the mirror is complete.</summary>
    public void Snapshotted(DateTimeOffset now)
    {
        write(LastSnapshot, Text(now) + "\n");
        write(IsSnapshotting, null);
        Set(("last_snapshot", Text(now)));
    }

    /// <summary>Everything was hashed anew.</summary>
    /// <param name="now">When.</param>
    /// <param name="clean">Nothing is damaged, or all of it was mended.</param>
    public void Checked(DateTimeOffset now, bool clean) => Set(("last_check", Text(now)), ("check_status", clean ? "succeeded" : "failed"));

    /// <summary>Superseded objects were deleted.</summary>
    public void Collected(DateTimeOffset now) => Set(("last_gc", Text(now)));

    /// <summary>As in <c>Wed Jan 31 12:00:00 UTC 2024</c>; a day of one digit has a blank before it.</summary>
    public static string Text(DateTimeOffset time)
    {
        DateTime utc = time.UtcDateTime;
        return string.Create(CultureInfo.InvariantCulture, $"{utc:ddd MMM} {utc.Day,2} {utc:HH:mm:ss} UTC {utc:yyyy}");
    }

    private void Set(params ReadOnlySpan<(string Key, string Value)> values)
    {
        lock (_gate)
        {
            JsonObject document = Current();
            foreach ((string key, string value) in values)
                document[key] = value;
            write(Status, document.ToJsonString() + "\n");
        }
    }

    // What an earlier process noted stays.
    private JsonObject Current()
    {
        try
        {
            return read(Status) is { } text && JsonNode.Parse(text) is JsonObject found ? found : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private static string? ReadFile(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
