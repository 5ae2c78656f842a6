using System.Data;
using System.Data.Common;
using CvmfsNix.Cluster.Actors.Administration.Audit;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Recovery.Journals;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Recovery.Mending;

/// <summary>
/// Mends a journal that is behind its stores, after an old backup was restored or a standby without the last commits was promoted. No node may run: the leader's
/// check at its start is what the result has to pass.
/// </summary>
/// <param name="request">What to do.</param>
/// <param name="clock">The time.</param>
public sealed class MendRun(MendRequest request, TimeProvider clock)
{
    private const int AliveSeconds = 10;

    /// <summary>Looks what is missing, and appends it where that is confirmed.</summary>
    /// <exception cref="RecoveryException">Nothing was changed.</exception>
    public async Task<MendResult> RunAsync(CancellationToken ct)
    {
        try
        {
            string data = Path.GetFullPath(request.DataDirectory);
            using SafeFileHandle held = NodeLock.Take(data);
            return await MendAsync(data, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RecoveryException(RecoveryCodes.FileFailed, e.Message, request.DataDirectory, "give the command the right to read and write there; then try again", e);
        }
        catch (Exception e) when (e is DbException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw JournalCopy.Failed(request.Journal, e);
        }
    }

    private async Task<MendResult> MendAsync(string data, CancellationToken ct)
    {
        Witnesses witnesses = Witnesses.Read(request.Repository, request.Witnesses.Select(Path.GetFullPath).Prepend(data).Distinct());
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("cvmfsnix-recover-");
        try
        {
            await RequireNoMemberAsync(ct).ConfigureAwait(false);
            string copy = Path.Combine(scratch.FullName, "journal.db");
            await JournalCopy.ToFileAsync(request.Journal, copy, ct).ConfigureAwait(false);
            MendPlan plan;
            using (var journal = new JournalFile(copy))
                plan = MendPlan.Make(journal, request, witnesses, clock.GetUtcNow());
            if (request.Confirmed && plan.Rows.Count > 0)
                await WriteAsync(plan, ct).ConfigureAwait(false);
            return plan.Result;
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    // Written down before it is done, as every change of an operator is.
    private async Task WriteAsync(MendPlan plan, CancellationToken ct)
    {
        using var audit = new AuditTable(SideDatabase.Of(request.Journal));
        MendResult result = plan.Result;
        string arguments = $"{result.Repository}: events {result.From + 1} to {result.To}, {result.Restored} restored, {result.LostRevisions.Count} revisions lost";
        long entry;
        try
        {
            entry = await audit.BeginAsync(new AuditEntry(0, clock.GetUtcNow(), request.Who, Environment.MachineName, "repo recover", arguments, AuditEntry.Begun), ct).ConfigureAwait(false);
        }
        catch (PublishingException e)
        {
            throw new RecoveryException(RecoveryCodes.JournalUnusable, e.Message, JournalCopy.NameOf(request.Journal), "nothing was changed: look at the database", e);
        }

        await AppendAsync(plan.Rows, ct).ConfigureAwait(false);
        await audit.EndAsync(entry, AuditEntry.Done, CancellationToken.None).ConfigureAwait(false);
        SqliteConnection.ClearAllPools();
    }

    private async Task AppendAsync(IReadOnlyList<MendedRow> rows, CancellationToken ct)
    {
        DbConnection connection = request.Journal is JournalOptions.Sqlite file ? SqliteFiles.Open(file.File, write: true) : await JournalCopy.OpenAsync(request.Journal, ct).ConfigureAwait(false);
        await using var ended = connection.ConfigureAwait(false);
        DbTransaction transaction = await connection.BeginTransactionAsync(IsolationLevel.Serializable, ct).ConfigureAwait(false);
        await using var undone = transaction.ConfigureAwait(false);
        string writer = Guid.NewGuid().ToString("N");
        foreach (MendedRow row in rows)
        {
            DbCommand insert = connection.CreateCommand();
            await using var disposed = insert.ConfigureAwait(false);
            insert.Transaction = transaction;
            // The unique key decides whether a node was faster.
            insert.CommandText = $"""
                INSERT INTO {JournalTable.Events.Name} (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
                VALUES (@a, @b, @c, @d, @e, @f, @g, @h)
                """;
            object[] values =
            [
                clock.GetUtcNow().UtcTicks, false, row.PersistenceId, row.SequenceNumber, row.Bytes, ClusterSerializer.ManifestOf(row.Event), ClusterSerializer.SerializerId, writer,
            ];
            for (int i = 0; i < values.Length; i++)
            {
                DbParameter parameter = insert.CreateParameter();
                parameter.ParameterName = "@" + (char)('a' + i);
                parameter.Value = values[i];
                insert.Parameters.Add(parameter);
            }

            await insert.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
        }

        await transaction.CommitAsync(ct).ConfigureAwait(false);
    }

    // Members give a sign of life every second, by the database's clock.
    private async Task RequireNoMemberAsync(CancellationToken ct)
    {
        if (request.Journal is not JournalOptions.PostgreSql)
            return;
        DbConnection connection = await JournalCopy.OpenAsync(request.Journal, ct).ConfigureAwait(false);
        await using var ended = connection.ConfigureAwait(false);
        if (!await JournalCopy.HasAsync(connection, "cvmfsnix_member", ct).ConfigureAwait(false))
            return;
        DbCommand command = connection.CreateCommand();
        await using var disposed = command.ConfigureAwait(false);
        command.CommandText = $"SELECT address FROM cvmfsnix_member WHERE seen_at > clock_timestamp() - interval '{AliveSeconds} seconds' LIMIT 1";
        if (await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is string address)
            throw new RecoveryException(RecoveryCodes.NodeRuns, $"The node {address} uses this journal.", address, $"stop all core nodes first, wait {AliveSeconds} seconds, and start them when this is done");
    }
}
