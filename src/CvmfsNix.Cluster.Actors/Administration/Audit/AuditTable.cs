using System.Data.Common;
using System.Globalization;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration.Audit;

/// <summary>
/// The audit log as a table beside the journal: every node appends to it with nothing to agree on, also a node that is in no cluster. Rows
/// are added and their outcome is set once; nothing is deleted.
/// </summary>
/// <param name="database">Where the table is.</param>
internal sealed class AuditTable(ISideDatabase database) : SideTable(database, Definition), IAuditLog
{
    private const string Columns = "number, at_ms, who, node, command, arguments, outcome";

    internal static readonly SideTableSchema Definition = new(
        "cvmfsnix_audit",
        "number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, node TEXT NOT NULL, command TEXT NOT NULL, arguments TEXT NOT NULL, outcome TEXT NOT NULL",
        "number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ms bigint NOT NULL, who text NOT NULL, node text NOT NULL, command text NOT NULL, arguments text NOT NULL, outcome text NOT NULL");

    public Task<long> BeginAsync(AuditEntry entry, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return RunAsync(
            async connection => Convert.ToInt64(
                await ScalarAsync(
                    connection,
                    "INSERT INTO cvmfsnix_audit (at_ms, who, node, command, arguments, outcome) VALUES (@a, @b, @c, @d, @e, @f) RETURNING number",
                    ct,
                    entry.At.ToUnixTimeMilliseconds(), entry.Who, entry.Node, entry.Command, entry.Arguments, AuditEntry.Begun).ConfigureAwait(false),
                CultureInfo.InvariantCulture),
            ct);
    }

    public Task EndAsync(long number, string outcome, CancellationToken ct) => RunAsync(
        connection => ScalarAsync(connection, "UPDATE cvmfsnix_audit SET outcome = @a WHERE number = @b", ct, outcome, number), ct);

    public Task<IReadOnlyList<AuditEntry>> AfterAsync(long number, int max, CancellationToken ct) =>
        ReadAsync($"SELECT {Columns} FROM cvmfsnix_audit WHERE number > @a ORDER BY number LIMIT @b", Entry, ct, number, (long)max);

    public async Task<IReadOnlyList<AuditEntry>> LastAsync(int max, CancellationToken ct) =>
        [.. (await ReadAsync($"SELECT {Columns} FROM cvmfsnix_audit ORDER BY number DESC LIMIT @a", Entry, ct, (long)max).ConfigureAwait(false)).Reverse()];

    protected override PublishingException Unavailable(Exception cause)
    {
        ArgumentNullException.ThrowIfNull(cause);
        return new PublishingException(
            PublishingCodes.AuditUnavailable, $"The audit log cannot be reached: {cause.Message}", "audit", "Look at the journal's database; nothing is changed that cannot be written down.", inner: cause);
    }

    private static AuditEntry Entry(DbDataReader row) => new(
        row.GetInt64(0), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6));
}
