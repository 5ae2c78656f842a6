using System.Text.Json.Serialization;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>A publish of the agent, as it is on disk before anything is sent.</summary>
/// <param name="Transaction">UUID of version 7.</param>
/// <param name="Repository">Where to.</param>
/// <param name="Entries">Names of the entries that are in it.</param>
/// <param name="Paths">Their paths: a repetition asks for exactly these, whatever became of the entries.</param>
internal sealed record SpoolBatch(string Transaction, string Repository, IReadOnlyList<string> Entries, IReadOnlyList<string> Paths);

/// <summary>Why an entry was set aside.</summary>
internal sealed record BadEntry(string Code, string Message, string What, string At);

/// <summary>What the agent last said of itself.</summary>
internal sealed record AgentState
{
    public int Pid { get; init; }

    public string Repository { get; init; } = "";

    public string StartedAt { get; init; } = "";

    /// <summary>Since the agent started.</summary>
    public long CommittedTransactions { get; init; }

    /// <summary>New paths since the agent started.</summary>
    public long CommittedPaths { get; init; }

    public LastCommit? LastCommit { get; init; }

    public LastFailure? LastFailure { get; init; }
}

/// <summary>The publish that was answered last.</summary>
internal sealed record LastCommit(string Transaction, ulong Revision, long Paths, string At);

/// <summary>Why the batch under way is not committed yet; absent once it is.</summary>
/// <param name="Code">Stable name of the error.</param>
/// <param name="Message">What happened.</param>
/// <param name="Attempts">So far, for this batch.</param>
/// <param name="NextAttemptAt">When it is tried again.</param>
internal sealed record LastFailure(string Code, string Message, int Attempts, string NextAttemptAt);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SpoolBatch))]
[JsonSerializable(typeof(BadEntry))]
[JsonSerializable(typeof(AgentState))]
internal sealed partial class SpoolJson : JsonSerializerContext;
