namespace CvmfsNix.Cluster.Recovery.Journals;

/// <summary>What a column holds, in both databases.</summary>
internal enum ColumnKind
{
    Integer,
    Long,
    Flag,
    Text,
    Bytes,
}

/// <summary>A column by the name it has in both databases.</summary>
internal sealed record JournalColumn(string Name, ColumnKind Kind);

/// <summary>A table of the journal's database that is part of the history; what nodes say of themselves while they run is not.</summary>
/// <param name="Name">In both databases.</param>
/// <param name="Columns">All that are copied.</param>
/// <param name="Counter">The column whose numbers the database gives out; null = none.</param>
internal sealed record JournalTable(string Name, IReadOnlyList<JournalColumn> Columns, string? Counter)
{
    public static readonly JournalTable Events = new(
        "journal",
        [
            new("ordering", ColumnKind.Long), new("created", ColumnKind.Long), new("deleted", ColumnKind.Flag), new("persistence_id", ColumnKind.Text),
            new("sequence_number", ColumnKind.Long), new("message", ColumnKind.Bytes), new("manifest", ColumnKind.Text), new("identifier", ColumnKind.Integer),
            new("writer_uuid", ColumnKind.Text),
        ],
        "ordering");

    public static readonly JournalTable Snapshots = new(
        "snapshot",
        [
            new("persistence_id", ColumnKind.Text), new("sequence_number", ColumnKind.Long), new("created", ColumnKind.Long), new("snapshot", ColumnKind.Bytes),
            new("manifest", ColumnKind.Text), new("serializer_id", ColumnKind.Integer),
        ],
        null);

    public static readonly JournalTable Labels = new(
        "tags",
        [new("ordering_id", ColumnKind.Long), new("tag", ColumnKind.Text), new("sequence_nr", ColumnKind.Long), new("persistence_id", ColumnKind.Text)],
        null);

    public static readonly JournalTable Audit = new(
        "cvmfsnix_audit",
        [
            new("number", ColumnKind.Long), new("at_ms", ColumnKind.Long), new("who", ColumnKind.Text), new("node", ColumnKind.Text), new("command", ColumnKind.Text),
            new("arguments", ColumnKind.Text), new("outcome", ColumnKind.Text),
        ],
        "number");

    public static readonly JournalTable Tokens = new(
        "cvmfsnix_token",
        [
            new("id", ColumnKind.Text), new("digest", ColumnKind.Text), new("name", ColumnKind.Text), new("scopes", ColumnKind.Text), new("created_ms", ColumnKind.Long),
            new("expires_ms", ColumnKind.Long), new("revoked_ms", ColumnKind.Long),
        ],
        null);

    /// <summary>All of them. The audit log and the tokens are made when they are first needed, so they may be absent.</summary>
    public static readonly IReadOnlyList<JournalTable> All = [Events, Snapshots, Labels, Audit, Tokens];

    public string ColumnList => string.Join(", ", Columns.Select(c => c.Name));
}
