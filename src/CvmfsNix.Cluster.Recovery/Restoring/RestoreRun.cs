using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Recovery.Backups;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Recovery.Restoring;

/// <summary>
/// Restores a backup into an empty data folder and journal: all of it or nothing. Every byte is compared with its checksum before anything is written. The journal is
/// last: without it a node finds nothing, with it everything.
/// </summary>
/// <param name="request">What to do.</param>
/// <param name="note">Told what is being done.</param>
public sealed class RestoreRun(RestoreRequest request, Action<string> note)
{
    /// <summary>Restores it.</summary>
    /// <exception cref="RecoveryException">Nothing was changed.</exception>
    public async Task<BackupManifest> RunAsync(CancellationToken ct)
    {
        try
        {
            return await RestoreAsync(ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RecoveryException(RecoveryCodes.FileFailed, e.Message, request.DataDirectory, "make room, or give the command the right to read the backup and to write there; then try again", e);
        }
    }

    private async Task<BackupManifest> RestoreAsync(CancellationToken ct)
    {
        BackupContent backup = BackupContent.Open(request.Backup);
        bool byReference = backup.Manifest.Store == BackupStore.Reference;
        if (byReference && !request.JournalOnly && request.ObjectsDirectory is null)
        {
            throw new RecoveryException(
                RecoveryCodes.StoreIncomplete, $"The backup {request.Backup} is by reference: it has no objects.", request.Backup,
                "give --objects DIR, the folder DATA/cvmfs of another store or of a mirror; or --journal-only where the stores are still there");
        }

        string data = Path.GetFullPath(request.DataDirectory);
        string? objects = byReference ? request.ObjectsDirectory : null;
        var target = new RestoreTarget(request.JournalOnly ? null : data, Path.GetFullPath(request.KeysDirectory));
        target.RequireEmpty(backup);
        if (request.Journal is JournalOptions.Sqlite { File: var file } && !UnfinishedRestore.IsIn(data) && FilesOfSqlite(file).FirstOrDefault(File.Exists) is { } found)
            throw new RecoveryException(RecoveryCodes.TargetNotEmpty, $"{found} is there.", found, $"a backup is restored to where no journal is; move {file} out of the way with all that begins with its name, or give another --data");
        JournalTarget? database = request.Journal is JournalOptions.PostgreSql server ? new JournalTarget(server) : null;
        try
        {
            if (database is not null && target.Placed(backup) is { } before && await database.HasAsync(before, ct).ConfigureAwait(false))
            {
                note("it was restored, but for its last step");
                target.Finish();
                return backup.Manifest;
            }

            if (database is not null)
                await database.RequireEmptyAsync(ct).ConfigureAwait(false);
            note("comparing the backup with its checksums");
            backup.Verify(objects, withObjects: !(byReference && request.JournalOnly), ct);
            note("writing");
            await WriteAsync(backup, target, database, objects, ct).ConfigureAwait(false);
            return backup.Manifest;
        }
        finally
        {
            if (database is not null)
                await database.DisposeAsync().ConfigureAwait(false);
        }
    }

    // What a killed node left in its log would be laid over the journal that is restored beside it.
    private static IEnumerable<string> FilesOfSqlite(string file) => ((string[])["", "-wal", "-shm", "-journal"]).Select(end => file + end);

    private async Task WriteAsync(BackupContent backup, RestoreTarget target, JournalTarget? database, string? objects, CancellationToken ct)
    {
        bool mayUndo = true;
        string restore = Guid.NewGuid().ToString("N");
        try
        {
            target.Stage(backup, objects, ct);
            if (database is null)
                target.StageJournal(backup, request.JournalOnly ? ((JournalOptions.Sqlite)request.Journal).File : null);
            else
                await database.WriteAsync(backup.Folder.Journal, restore, ct).ConfigureAwait(false);
            target.WriteKeys(backup);
            target.Place(backup, restore);
            // From here on the outcome may be unknown.
            mayUndo = false;
            if (database is not null)
                await database.CommitAsync(CancellationToken.None).ConfigureAwait(false);
            target.Finish();
        }
        catch when (mayUndo)
        {
            target.Undo();
            throw;
        }
    }
}
