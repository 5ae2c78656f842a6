using System.Data.Common;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration.Tables;

/// <summary>
/// A table beside the journal, written by every node with nothing to agree on. It is made when it is first needed: a journal of an earlier version
/// has no such table, and the cluster must not wait for it.
/// </summary>
/// <param name="database">Where it is.</param>
/// <param name="schema">How it is made.</param>
internal abstract class SideTable(ISideDatabase database, SideTableSchema schema) : IDisposable
{
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private bool _prepared;

    public void Dispose() => _preparing.Dispose();

    /// <summary>What to say when the database is not there.</summary>
    protected abstract PublishingException Unavailable(Exception cause);

    /// <summary>Runs something on a connection of its own, with the table there.</summary>
    protected async Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct)
    {
        try
        {
            await PrepareAsync(ct).ConfigureAwait(false);
            return await database.RunAsync(work, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbException or Journal.JournalException or Journal.JournalUnavailableException or IOException)
        {
            throw Unavailable(e);
        }
    }

    /// <summary>Reads rows.</summary>
    protected Task<IReadOnlyList<T>> ReadAsync<T>(string sql, Func<DbDataReader, T> read, CancellationToken ct, params object[] values) => RunAsync(
        async connection =>
        {
            var command = Command(connection, sql, values);
            await using var ended = command.ConfigureAwait(false);
            var row = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var reading = row.ConfigureAwait(false);
            var rows = new List<T>();
            while (await row.ReadAsync(ct).ConfigureAwait(false))
                rows.Add(read(row));
            return (IReadOnlyList<T>)rows;
        },
        ct);

    /// <summary>Runs a statement and takes the first value of its answer; parameters are @a, @b and so on.</summary>
    protected static async Task<object?> ScalarAsync(DbConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        var command = Command(connection, sql, values);
        await using var ended = command.ConfigureAwait(false);
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false);
    }

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
                        foreach (string statement in database.Schema(schema))
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
