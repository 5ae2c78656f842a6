using System.Data.Common;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration.Audit;

/// <summary>
/// The audit log as a table beside the journal: every node appends to it with nothing to agree on, also a node that is in no cluster. Rows
/// are added and their outcome is set once; nothing is deleted.
/// </summary>
/// <param name="database">Where the table is.</param>
internal sealed class AuditTable(IAuditDatabase database) : IAuditLog, IDisposable
{
    private const string Columns = "number, at_ms, who, node, command, arguments, outcome";

    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;

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
                System.Globalization.CultureInfo.InvariantCulture),
            ct);
    }

    public Task EndAsync(long number, string outcome, CancellationToken ct) => RunAsync(
        connection => ScalarAsync(connection, "UPDATE cvmfsnix_audit SET outcome = @a WHERE number = @b", ct, outcome, number), ct);

    public Task<IReadOnlyList<AuditEntry>> AfterAsync(long number, int max, CancellationToken ct) =>
        ReadAsync($"SELECT {Columns} FROM cvmfsnix_audit WHERE number > @a ORDER BY number LIMIT @b", ct, number, (long)max);

    public async Task<IReadOnlyList<AuditEntry>> LastAsync(int max, CancellationToken ct) =>
        [.. (await ReadAsync($"SELECT {Columns} FROM cvmfsnix_audit ORDER BY number DESC LIMIT @a", ct, (long)max).ConfigureAwait(false)).Reverse()];

    public void Dispose() => _preparing.Dispose();

    private Task<IReadOnlyList<AuditEntry>> ReadAsync(string sql, CancellationToken ct, params object[] values) => RunAsync(
        async connection =>
        {
            var command = Command(connection, sql, values);
            await using var ended = command.ConfigureAwait(false);
            var row = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var read = row.ConfigureAwait(false);
            var entries = new List<AuditEntry>();
            while (await row.ReadAsync(ct).ConfigureAwait(false))
                entries.Add(new AuditEntry(row.GetInt64(0), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6)));
            return (IReadOnlyList<AuditEntry>)entries;
        },
        ct);

    private async Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct)
    {
        try
        {
            await PrepareAsync(ct).ConfigureAwait(false);
            return await database.RunAsync(work, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or Journal.JournalException or Journal.JournalUnavailableException or IOException)
        {
            throw new PublishingException(PublishingCodes.AuditUnavailable, $"The audit log cannot be reached: {e.Message}", "audit", "Look at the journal's database; nothing is changed that cannot be written down.", inner: e);
        }
    }

    // Made when it is first needed: a journal of an earlier version has no such table, and the cluster must not wait for it.
    private async Task PrepareAsync(CancellationToken ct)
    {
        if (Volatile.Read(ref _prepared))
            return;
        await _preparing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (!_prepared)
            {
                await database.RunAsync(
                    async connection =>
                    {
                        foreach (string statement in database.Schema)
                            await ScalarAsync(connection, statement, ct).ConfigureAwait(false);
                        return true;
                    },
                    ct).ConfigureAwait(false);
            }

            Volatile.Write(ref _prepared, true);
        }
        finally
        {
            _preparing.Release();
        }
    }

    private static async Task<object?> ScalarAsync(DbConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        var command = Command(connection, sql, values);
        await using var ended = command.ConfigureAwait(false);
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false);
    }

    private static DbCommand Command(DbConnection connection, string sql, object[] values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        for (int i = 0; i < values.Length; i++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = "@" + (char)('a' + i);
            parameter.Value = values[i];
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
