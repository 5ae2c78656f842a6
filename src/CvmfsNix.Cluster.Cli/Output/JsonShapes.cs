using System.Text.Json;
using System.Text.Json.Serialization;
using CvmfsNix.Cluster.Cli.Spooling;

namespace CvmfsNix.Cluster.Cli.Output;

// The shapes that --json prints. Fields are added, never renamed.

internal sealed record ErrorJson(ErrorBodyJson Error)
{
    /// <summary>Set in the lines of a batch, where the error belongs to one transaction of many.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Transaction { get; init; }

    public static ErrorJson Of(CliException e) => new(new ErrorBodyJson(
        e.Code, e.Message, e.What, e.Hint, e.RetryAfter is { } wait ? (long)wait.TotalMilliseconds : null));
}

internal sealed record ErrorBodyJson(
    string Code,
    string Message,
    string What,
    string Hint,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? RetryAfterMs);

internal sealed record RepositoryJson(
    string Repository,
    ulong Revision,
    string RootHash,
    string PublishedAt,
    long Paths,
    long Objects,
    long StoredBytes,
    string WhitelistExpiresAt,
    string PublicKeyFile,
    string PublicKey,
    string NixPublicKey,
    string StoreDirectory,
    string HashAlgorithm,
    string Url,
    bool NixDatabase);

internal sealed record PublishJson
{
    public required string Repository { get; init; }

    public required string Transaction { get; init; }

    /// <summary><c>committed</c>, <c>unchanged</c>, or <c>dry-run</c> where nothing was to be changed.</summary>
    public required string Status { get; init; }

    /// <summary>Full store paths whose first, different content was kept.</summary>
    public IReadOnlyList<string> ContentKept { get; init; } = [];

    public ulong Revision { get; init; }

    public string RootHash { get; init; } = "";

    public long PathsNew { get; init; }

    public long PathsPresent { get; init; }

    public long ObjectsSent { get; init; }

    public long BytesRead { get; init; }

    public long BytesSent { get; init; }

    public long BytesStored { get; init; }

    public long DurationMs { get; init; }

    public IReadOnlyList<ReplicaRevisionJson> Replicas { get; init; } = [];

    /// <summary>Left out because an upstream cache has signed them.</summary>
    public long PathsUpstream { get; init; }
}

internal sealed record ReplicaRevisionJson(string Replica, string Site, ulong Revision);

internal sealed record WaitJson(string Repository, ulong Revision, IReadOnlyList<ReplicaRevisionJson> Replicas);

internal sealed record TransactionJson(string Transaction, string Status, ulong? Revision, ErrorBodyJson? Reason);

internal sealed record StatusJson(
    string Node,
    IReadOnlyList<string> Roles,
    string? Leader,
    ulong Epoch,
    IReadOnlyList<MemberJson> Members,
    IReadOnlyList<RepositoryStatusJson> Repositories,
    IReadOnlyList<ReplicaJson> Replicas);

internal sealed record MemberJson(string Address, IReadOnlyList<string> Roles, string Status, bool Reachable);

internal sealed record RepositoryStatusJson(
    string Repository, ulong Revision, string RootHash, int Queued, int InFlight, int OpenTransactions, string? Problem, string? Warning);

internal sealed record ReplicaJson(
    string Repository,
    string Replica,
    string Site,
    string State,
    ulong Revision,
    ulong LagRevisions,
    long LagBytes,
    double LagSeconds,
    string? LastSeenAt,
    long LagEvents,
    long MissingObjects,
    string RootHash,
    string? RegisteredAt,
    string? Problem,
    ScrubJson? Scrub,
    TroubleJson? LastTrouble);

internal sealed record TroubleJson(string Text, string At);

internal sealed record ScrubJson(
    bool Running, long Objects, long Bytes, long Damaged, long Repaired, string StartedAt, string? FinishedAt, string? Problem);

internal sealed record TagJson(string Repository, string Name, ulong Revision, string RootHash, string At, string Description)
{
    /// <summary>Whether the command changed something; absent in a list.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Changed { get; init; }
}

/// <summary>One line of <c>ls</c>. Directories have no size and no link count: neither is part of what is published.</summary>
internal sealed record EntryJson(
    string Path,
    string Type,
    string Mode,
    uint Uid,
    uint Gid,
    long? Size,
    long Mtime,
    int? Nlink,
    string? Sha256,
    string? Target,
    IReadOnlyDictionary<string, string> Xattrs)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PathBase64 { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? TargetBase64 { get; init; }
}

internal sealed record KeyJson(string Repository, string PublicKey, string NixPublicKey, string? WhitelistExpiresAt);

internal sealed record NextKeyJson(string Repository, string Keys, string CertificateFile, string KeyFile, string Fingerprint);

internal sealed record SignedWhitelistJson(string Repository, string File, string CreatedAt, string WhitelistExpiresAt, IReadOnlyList<string> Fingerprints);

internal sealed record CreatedKeyJson(string Repository, string Directory, string PublicKeyFile, string PublicKey, string NixPublicKey);

internal sealed record GetJson(string Path, string Destination, long Files, long Bytes);

internal sealed record FindingJson(string Rule, string? Path, string? Catalog, string? Object, string Message);

internal sealed record VerifyJson(
    string Repository,
    ulong Revision,
    string RootHash,
    long Catalogs,
    long Entries,
    long Objects,
    long Bytes,
    long DurationMs,
    IReadOnlyList<FindingJson> Findings,
    long FindingsLeftOut,
    long NarPathsChecked,
    long NarPathsUnknown);

internal sealed record HealthJson(bool Healthy, string Node, string? Leader, string Reason);

internal sealed record ClosureJson(string StoreRoot, string Registration, string Path, IReadOnlyList<string> Paths);

internal sealed record NarHashJson(string Path, string NarHash, long NarSize);

internal sealed record ImportJson(
    string Cache,
    string Repository,
    IReadOnlyList<string> Transactions,
    ulong Revision,
    string RootHash,
    long PathsNew,
    long PathsPresent,
    long BytesFetched,
    long BytesSent);

internal sealed record ClientConfigJson(string Repository, CvmfsClientJson Cvmfs, NixClientJson Nix);

internal sealed record CvmfsClientJson(string File, IReadOnlyList<string> Servers, string Proxy, string PublicKeyFile, string PublicKey);

internal sealed record NixClientJson(IReadOnlyList<string> Substituters, string TrustedPublicKey, string StoreDirectory);

internal sealed record SetAsideJson(string Entry, BadEntry Reason);

internal sealed record AgentWaitJson(string Spool, int Committed, IReadOnlyList<SetAsideJson> SetAside);

internal sealed record AgentRetryJson(string Spool, int Queued);

internal sealed record AgentStatusJson(
    string Spool,
    bool Running,
    string? Repository,
    int Queued,
    int InFlight,
    string? Transaction,
    string? OldestAt,
    long CommittedTransactions,
    long CommittedPaths,
    LastCommit? LastCommit,
    LastFailure? LastFailure,
    IReadOnlyList<SetAsideJson> SetAside);

// A misspelt "closure" would silently publish something else.
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record BatchLineJson
{
    public string? Transaction { get; init; }

    public string? Repository { get; init; }

    public IReadOnlyList<string>? Paths { get; init; }

    public bool Closure { get; init; } = true;
}

[JsonSerializable(typeof(BackupJson))]
[JsonSerializable(typeof(RecoverJson))]
[JsonSerializable(typeof(ErrorJson))]
[JsonSerializable(typeof(RepositoryJson))]
[JsonSerializable(typeof(IReadOnlyList<RepositoryJson>))]
[JsonSerializable(typeof(PublishJson))]
[JsonSerializable(typeof(WaitJson))]
[JsonSerializable(typeof(TransactionJson))]
[JsonSerializable(typeof(StatusJson))]
[JsonSerializable(typeof(IReadOnlyList<ReplicaJson>))]
[JsonSerializable(typeof(TagJson))]
[JsonSerializable(typeof(IReadOnlyList<TagJson>))]
[JsonSerializable(typeof(EntryJson))]
[JsonSerializable(typeof(KeyJson))]
[JsonSerializable(typeof(CreatedKeyJson))]
[JsonSerializable(typeof(SignedWhitelistJson))]
[JsonSerializable(typeof(NextKeyJson))]
[JsonSerializable(typeof(GetJson))]
[JsonSerializable(typeof(VerifyJson))]
[JsonSerializable(typeof(HealthJson))]
[JsonSerializable(typeof(ClosureJson))]
[JsonSerializable(typeof(NarHashJson))]
[JsonSerializable(typeof(ImportJson))]
[JsonSerializable(typeof(ClientConfigJson))]
[JsonSerializable(typeof(AgentStatusJson))]
[JsonSerializable(typeof(AgentWaitJson))]
[JsonSerializable(typeof(AgentRetryJson))]
[JsonSerializable(typeof(BatchLineJson))]
internal sealed partial class JsonShapes : JsonSerializerContext
{
    /// <summary>
    /// Readable text: only what JSON itself forbids is escaped, since nobody puts this output into HTML. On reading, an unknown
    /// field is an error where the type says so.
    /// </summary>
    public static readonly JsonShapes Plain = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
