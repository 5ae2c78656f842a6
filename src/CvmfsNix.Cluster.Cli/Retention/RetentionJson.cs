using System.Text.Json.Serialization;

namespace CvmfsNix.Cluster.Cli.Retention;

/// <summary>Rules of a repository.</summary>
internal sealed record RetentionJson(
    string Repository, bool Enabled, int ProfileGenerations, long KeepRecentSeconds, bool Automatic, long KeptGenerations, long Pins, IReadOnlyList<WithdrawnJson> Withdrawn);

/// <summary>A path that was taken back.</summary>
internal sealed record WithdrawnJson(string Path, string Reason, string By, string At);

/// <summary>A line of a dry run: a path, and why it stays.</summary>
/// <param name="Path">Base name.</param>
/// <param name="Kept">False: it would go.</param>
/// <param name="Reason">profile, pin, tag, recent, reference or circle.</param>
/// <param name="What">Generation, tag, end of the pin, time, or the path that needs it.</param>
internal sealed record PlannedPathJson(
    string Path,
    bool Kept,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? What);

/// <summary>A plan: what would go and what stays.</summary>
internal sealed record PlanJson(string Repository, long Removed, long Kept, IReadOnlyList<PlannedPathJson> Paths);

/// <summary>Removals and collections of a repository.</summary>
internal sealed record CollectionJson(
    string Repository,
    bool Removing,
    long PathsLeft,
    long PathsRemoved,
    string? RemovalEndedAt,
    string? RemovalProblem,
    IReadOnlyList<RemovedGroupJson> Waiting,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? HeldBy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? HeldSite,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ulong? HeldAt,
    bool Collecting,
    string? CollectionEndedAt,
    string? CollectionProblem,
    long LiveObjects,
    long LiveBytes,
    long YoungObjects,
    long YoungBytes,
    long DeletedObjects,
    long DeletedBytes,
    bool Paused,
    long CollectableObjects,
    long CollectableBytes);

/// <summary>A removal whose objects are kept for their grace.</summary>
internal sealed record RemovedGroupJson(ulong Revision, string At, long Paths);

/// <summary>A withdrawal.</summary>
internal sealed record WithdrawJson(
    string Repository, string Path, ulong Revision, long PathsCount, IReadOnlyList<string> Paths, IReadOnlyList<string> TagsRemoved, IReadOnlyList<string> TagsLeft);

[JsonSerializable(typeof(RetentionJson))]
[JsonSerializable(typeof(PlanJson))]
[JsonSerializable(typeof(CollectionJson))]
[JsonSerializable(typeof(IReadOnlyList<CollectionJson>))]
[JsonSerializable(typeof(WithdrawJson))]
internal sealed partial class RetentionShapes : JsonSerializerContext
{
    /// <summary>Readable text, as all of the program's output.</summary>
    public static readonly RetentionShapes Plain = new(new System.Text.Json.JsonSerializerOptions
    {
        PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.CamelCase,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
