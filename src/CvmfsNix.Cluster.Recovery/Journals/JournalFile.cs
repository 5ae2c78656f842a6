using System.Runtime.Serialization;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Recovery.Journals;

/// <summary>The journal of a backup: a SQLite file that nobody writes to. Whatever is wrong with it is a <see cref="RecoveryException"/>.</summary>
internal sealed class JournalFile : IDisposable
{
    private readonly string _file;
    private readonly SqliteConnection _connection;

    /// <summary>Opens it and looks that the file is whole.</summary>
    public JournalFile(string file)
    {
        _file = file;
        try
        {
            _connection = SqliteFiles.Open(file, write: false);
        }
        catch (SqliteException e)
        {
            throw Damaged(e.Message, e);
        }

        try
        {
            if (SqliteFiles.Scalar(_connection, "PRAGMA integrity_check") is not "ok")
                throw Damaged("SQLite finds it damaged");
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw Damaged(e.Message, e);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <summary>Events of all histories.</summary>
    public long Events => Guard(() => (long)SqliteFiles.Scalar(_connection, "SELECT count(*) FROM journal")!);

    /// <summary>A history from its first event on, without gaps.</summary>
    public IEnumerable<(long SequenceNumber, object Event)> Read(string persistenceId, long after = 0)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "SELECT sequence_number, message, manifest, identifier FROM journal WHERE persistence_id = $id AND sequence_number > $after ORDER BY sequence_number";
        command.Parameters.AddWithValue("$id", persistenceId);
        command.Parameters.AddWithValue("$after", after);
        using SqliteDataReader rows = Guard(command.ExecuteReader);
        for (long expected = after + 1; Guard(rows.Read); expected++)
        {
            long number = rows.GetInt64(0);
            if (number != expected)
                throw Damaged($"the history {persistenceId} has no event {expected}; the next one is {number}");
            yield return (number, Decode(persistenceId, number, rows));
        }
    }

    /// <summary>All repositories that were registered, by name.</summary>
    public IReadOnlyList<RepositoryDefinition> Repositories()
    {
        var state = RegistryState.Empty;
        foreach (var (_, @event) in Read(PersistenceIds.Registry))
            state = state.Apply((IRegistryEvent)@event);
        return [.. state.Repositories.Values];
    }

    /// <summary>Transactions that were sealed and not decided in their ledgers.</summary>
    public IReadOnlyList<SealedTransaction> Undecided(RepositoryId repository)
    {
        var found = new List<SealedTransaction>();
        for (int bucket = 0; bucket < LedgerBucket.Count; bucket++)
        {
            string ledger = PersistenceIds.Ledger(LedgerBucket.EntityId(repository, bucket));
            var (state, at) = SnapshotOf(ledger) is { } snapshot ? snapshot : (LedgerState.Empty, 0);
            foreach (var (_, @event) in Read(ledger, at))
                state = state.Apply((ILedgerEvent)@event);
            found.AddRange(state.Undecided.Select(id => state.Entries[id].Transaction));
        }

        return found;
    }

    public void Dispose() => _connection.Dispose();

    private (LedgerState State, long At)? SnapshotOf(string persistenceId)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "SELECT sequence_number, snapshot, manifest, serializer_id FROM snapshot WHERE persistence_id = $id ORDER BY sequence_number DESC LIMIT 1";
        command.Parameters.AddWithValue("$id", persistenceId);
        using SqliteDataReader row = Guard(command.ExecuteReader);
        return Guard(row.Read) ? ((LedgerState)Decode(persistenceId, row.GetInt64(0), row), row.GetInt64(0)) : null;
    }

    // Number, bytes, manifest, serializer: in both tables.
    private object Decode(string persistenceId, long number, SqliteDataReader row)
    {
        try
        {
            if (row.GetInt32(3) != ClusterSerializer.SerializerId)
                throw Damaged($"event {number} of {persistenceId} is of the serializer {row.GetInt32(3)}, which is not of this program");
            return ClusterSerializer.Read(row.GetFieldValue<byte[]>(1), row.GetString(2));
        }
        catch (Exception e) when (e is SerializationException or InvalidCastException or InvalidOperationException)
        {
            throw Damaged($"event {number} of {persistenceId} cannot be read: {e.Message}", e);
        }
    }

    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SqliteException e)
        {
            throw Damaged(e.Message, e);
        }
    }

    private RecoveryException Damaged(string problem, Exception? cause = null) => new(
        RecoveryCodes.BackupDamaged, $"The journal {_file} cannot be read: {problem}.", _file, "take another backup", cause);
}
