using System.Data.Common;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Recovery.Backups;
using CvmfsNix.Cluster.Recovery.Journals;
using CvmfsNix.Cluster.Recovery.Objects;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Recovery.Restoring;

/// <summary>
/// The data folder and the keys that are filled. Everything is written into <c>DATA/restoring</c> and renamed from there; as long as that folder is there, the
/// restore is not over: no node starts on it, and the same restore begins again.
/// </summary>
/// <param name="data">The data folder; null = it is left as it is.</param>
/// <param name="keys">The key folder.</param>
internal sealed class RestoreTarget(string? data, string keys)
{
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const string PlacedFile = "placed";
    private static readonly string[] Parts = ["cvmfs", "meta"];
    private static readonly string[] JournalFiles = ["journal.db", "journal.db-wal", "journal.db-shm"];

    /// <summary>Where things lie until they are complete.</summary>
    public BackupFolder Staging { get; } = new(Path.Combine(data ?? Path.GetTempPath(), UnfinishedRestore.FolderName));

    /// <summary>Refuses a folder that holds anything of a node, and keys that are others.</summary>
    /// <exception cref="RecoveryException">TargetNotEmpty, KeysDiffer.</exception>
    public void RequireEmpty(BackupContent backup)
    {
        if (data is not null && !Directory.Exists(Staging.Folder))
        {
            string? found = Parts.Select(p => Path.Combine(data, p)).Where(p => Directory.Exists(p) && Directory.EnumerateFileSystemEntries(p).Any())
                .Concat(JournalFiles.Select(f => Path.Combine(data, f)).Where(File.Exists)).FirstOrDefault();
            if (found is not null)
                throw new RecoveryException(RecoveryCodes.TargetNotEmpty, $"{data} is not empty: {found} is there.", data, "a backup is restored into an empty folder; move what is there out of the way, or give another --data");
        }

        foreach (BackupKey key in backup.Manifest.Keys)
        {
            string there = Path.Combine(keys, key.Name);
            // Each node makes its own at its first start; the cluster's is the one of the backup.
            if (key.Name != BackupFolder.AdminToken && File.Exists(there) && CheckedCopy.Describe(there) != key.File)
                throw new RecoveryException(RecoveryCodes.KeysDiffer, $"{there} is another key than the backup's.", there, "existing keys are never replaced: give another --keys folder, or move the file away");
        }
    }

    /// <summary>Writes objects and record files where no node looks.</summary>
    public void Stage(BackupContent backup, string? objects, CancellationToken ct)
    {
        if (data is null)
            return;
        DurableDirectory.Ensure(data);
        if (Directory.Exists(Staging.Folder))
            Undo();
        DurableDirectory.Ensure(Staging.Folder);
        foreach (string part in Parts)
            Directory.CreateDirectory(Path.Combine(Staging.Folder, part));
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct };
        foreach (BackupRepository repository in backup.Manifest.Repositories)
        {
            string name = repository.Repository;
            Copy(() => Parallel.ForEach(ItemLists.ReadRecords(backup.Folder.RecordList(name)), options, r =>
                Same(CheckedCopy.Sha256(r.Digest, backup.Folder.RecordFile(name, r.Digest), Staging.RecordFile(name, r.Digest)), r.Bytes, r.Digest)));
            Copy(() => Parallel.ForEach(ItemLists.ReadObjects(backup.Folder.ObjectList(name)), options, o =>
                Same(CheckedCopy.Object(o.Name, backup.ObjectFile(name, o.Name, objects), Staging.ObjectFile(name, o.Name)), o.Bytes, o.Name.ToString())));
        }
    }

    /// <summary>The journal of a node alone, beside the rest of what is not seen yet.</summary>
    /// <param name="backup">Has it.</param>
    /// <param name="alone">Where it is put at once, when nothing else is restored; null = with the rest.</param>
    public void StageJournal(BackupContent backup, string? alone)
    {
        string to = alone is null ? Staging.Journal : alone + ".new";
        if (CheckedCopy.Sha256(backup.Manifest.Journal.Sha256, backup.Folder.Journal, to) is not >= 0)
            throw Changed("journal.db");
        if (alone is null)
            return;
        string folder = Path.GetDirectoryName(Path.GetFullPath(alone))!;
        FileSystemSync.Flush(folder);
        File.Move(to, alone);
        DirectorySync.Sync(folder);
    }

    /// <summary>Keys that are not there.</summary>
    public void WriteKeys(BackupContent backup)
    {
        if (backup.Manifest.Keys.Count == 0)
            return;
        DurableDirectory.Ensure(keys);
        foreach (BackupKey key in backup.Manifest.Keys)
        {
            string to = Path.Combine(keys, key.Name), temporary = to + ".new";
            if (File.Exists(to))
                continue;
            UnixFileMode mode = key.Name.EndsWith(".pub", StringComparison.Ordinal) || key.Name.EndsWith(".crt", StringComparison.Ordinal) ? Public : Secret;
            if (CheckedCopy.Sha256(key.File.Sha256, Path.Combine(backup.Folder.Keys, key.Name), temporary, mode) is not >= 0)
                throw Changed(key.Name);
            File.Move(temporary, to);
        }

        FileSystemSync.Flush(keys);
    }

    /// <summary>The restore that has put everything of this backup where a node looks and may have ended there, or before <see cref="Finish"/>; null = there is none.</summary>
    public string? Placed(BackupContent backup)
    {
        string file = Path.Combine(Staging.Folder, PlacedFile);
        return data is not null && File.Exists(file) && File.ReadAllText(file).Split(' ') is [var restore, var journal] && journal == backup.Manifest.Journal.Sha256 ? restore : null;
    }

    /// <summary>Everything staged is put where a node looks. It is over with <see cref="Finish"/>.</summary>
    /// <param name="backup">What is restored.</param>
    /// <param name="restore">Names this restore.</param>
    public void Place(BackupContent backup, string restore)
    {
        if (data is null)
            return;
        FileSystemSync.Flush(data);
        foreach (string part in Parts)
        {
            string to = Path.Combine(data, part);
            if (Directory.Exists(to))
                Directory.Delete(to);
            Directory.Move(Path.Combine(Staging.Folder, part), to);
        }

        if (File.Exists(Staging.Journal))
            File.Move(Staging.Journal, Path.Combine(data, JournalFiles[0]));
        DirectorySync.Sync(data);
        File.WriteAllText(Path.Combine(Staging.Folder, PlacedFile), $"{restore} {backup.Manifest.Journal.Sha256}");
        FileSystemSync.Flush(Staging.Folder);
    }

    /// <summary>A node may start.</summary>
    public void Finish()
    {
        if (data is null)
            return;
        // Whole or gone: half of it could not be told from a restore that has to begin again.
        string over = Staging.Folder + ".done";
        if (Directory.Exists(over))
            Directory.Delete(over, recursive: true);
        Directory.Move(Staging.Folder, over);
        DirectorySync.Sync(data);
        Directory.Delete(over, recursive: true);
    }

    /// <summary>Back to the empty folder it was, whatever of it was done.</summary>
    public void Undo()
    {
        if (data is null || !Directory.Exists(Staging.Folder))
            return;
        foreach (string part in Parts.Select(p => Path.Combine(data, p)).Where(Directory.Exists))
            Directory.Delete(part, recursive: true);
        foreach (string file in JournalFiles)
            File.Delete(Path.Combine(data, file));
        Directory.Delete(Staging.Folder, recursive: true);
    }

    private static void Copy(Action copy)
    {
        try
        {
            copy();
        }
        catch (AggregateException e) when (e.InnerExceptions is [var first, ..])
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    private static void Same(long? copied, long said, string name)
    {
        if (copied != said)
            throw Changed(name);
    }

    private static RecoveryException Changed(string name) => new(RecoveryCodes.BackupDamaged, $"{name} changed while it was restored.", name, "nothing was changed; let nobody write to the backup");
}
