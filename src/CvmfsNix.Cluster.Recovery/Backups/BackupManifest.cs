using System.Text.Json.Serialization;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>What a backup holds of the repositories' objects.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<BackupStore>))]
public enum BackupStore
{
    /// <summary>Every object the revisions need lies in the backup.</summary>
    [JsonStringEnumMemberName("copy")]
    Copy,

    /// <summary>Only the list of them: they are taken from another store.</summary>
    [JsonStringEnumMemberName("reference")]
    Reference,
}

/// <summary>A file and what its bytes are.</summary>
/// <param name="Sha256">64 lower-case hex digits.</param>
/// <param name="Bytes">Its length.</param>
public sealed record BackupFile(string Sha256, long Bytes);

/// <summary>A list of content-addressed files.</summary>
/// <param name="List">The list itself.</param>
/// <param name="Count">Files in it.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record BackupList(BackupFile List, long Count, long Bytes);

/// <summary>A key file.</summary>
/// <param name="Name">Its name in the key folder.</param>
/// <param name="File">Its bytes.</param>
public sealed record BackupKey(string Name, BackupFile File);

/// <summary>A repository in a backup.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="Sequence">Its last event in the journal.</param>
/// <param name="Revision">Its newest revision.</param>
/// <param name="RootHash">Root catalog of that, lower-case hex with the algorithm where it is not SHA-1.</param>
/// <param name="Objects">Objects that the journal's revisions need.</param>
/// <param name="Records">Record files that the journal names; always in the backup.</param>
public sealed record BackupRepository(string Repository, long Sequence, ulong Revision, string RootHash, BackupList Objects, BackupList Records);

/// <summary>
/// The table of contents of a backup, written last. Names of files follow from those of repositories and objects, which are checked: nothing in it is a path.
/// </summary>
public sealed record BackupManifest
{
    /// <summary>What <see cref="Format"/> says.</summary>
    public const string FormatName = "cvmfsnix-backup";

    /// <summary>The version this program writes, and the newest it reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Always <see cref="FormatName"/>.</summary>
    public required string Format { get; init; }

    /// <summary>Of the layout; a newer one is refused.</summary>
    public required int Version { get; init; }

    /// <summary>When the journal was copied, RFC 3339 in UTC.</summary>
    public required string TakenAt { get; init; }

    /// <summary><c>sqlite</c> or <c>postgresql</c>: where the journal was. For people.</summary>
    public required string JournalKind { get; init; }

    /// <summary>Whether the objects are here.</summary>
    public required BackupStore Store { get; init; }

    /// <summary>The data folder that was backed up. For people.</summary>
    public required string DataFolder { get; init; }

    /// <summary>The journal, a SQLite file.</summary>
    public required BackupFile Journal { get; init; }

    /// <summary>Events in it.</summary>
    public required long Events { get; init; }

    /// <summary>Key files, only where they were asked for.</summary>
    public required IReadOnlyList<BackupKey> Keys { get; init; }

    /// <summary>By name.</summary>
    public required IReadOnlyList<BackupRepository> Repositories { get; init; }

    /// <summary>Sealed transactions whose contents were not in this store: their builders have to publish again after a restore.</summary>
    public required long TransactionsLeftOut { get; init; }
}

/// <summary>The manifest as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(BackupManifest))]
internal sealed partial class BackupShapes : JsonSerializerContext;
