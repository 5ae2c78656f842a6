using System.Globalization;
using System.Text.Json;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Recovery.Journals;
using CvmfsNix.Cluster.Recovery.Objects;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>
/// Takes a backup of a node or cluster that goes on publishing and collecting. The journal is copied first, then what its revisions need: a store has that
/// before the journal names it. What was collected in between, or has not come to this store yet, makes it begin again with a newer journal, and keep
/// what it has. So a finished backup is complete, which is looked up in its own catalogs and lists, not concluded.
/// </summary>
/// <param name="request">What to do.</param>
/// <param name="clock">The time.</param>
/// <param name="note">Told what is being done.</param>
public sealed class BackupRun(BackupRequest request, TimeProvider clock, Action<string> note)
{
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<string, BackupItems> _items = new(StringComparer.Ordinal);
    private readonly BackupFolder _node = new(Path.GetFullPath(request.DataDirectory));
    private string _destination = "";
    private BackupFolder _backup = new("");

    private sealed record Attempt(long Events, IReadOnlyList<(RepositoryHistory History, NeededItems Needed)> Repositories, IReadOnlyList<string> Missing, int LeftOut);

    /// <summary>Takes it. Where it fails nothing is left at the destination.</summary>
    /// <exception cref="RecoveryException">There is no backup.</exception>
    public async Task<BackupManifest> RunAsync(CancellationToken ct)
    {
        _destination = Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Destination));
        if (Path.Exists(_destination))
            throw new RecoveryException(RecoveryCodes.BackupExists, $"{_destination} is there already.", _destination, "choose a new name for each backup, such as one with the date");
        _backup = new BackupFolder(_destination + ".partial");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_destination)!);
            using FileStream held = Begin();
            try
            {
                return await TakeAsync(held, ct).ConfigureAwait(false);
            }
            catch
            {
                held.Dispose();
                Directory.Delete(_backup.Folder, recursive: true);
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RecoveryException(RecoveryCodes.FileFailed, e.Message, _destination, "make room, or give the command the right to read the data folder and to write here; then try again", e);
        }
    }

    private string LockFile => Path.Combine(_backup.Folder, "lock");

    private string Scratch => Path.Combine(_backup.Folder, "scratch");

    // What a killed run left is of no use: nobody knows what of it is whole.
    private FileStream Begin()
    {
        Directory.CreateDirectory(_backup.Folder);
        FileStream held;
        try
        {
            held = new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(LockFile))
        {
            throw new RecoveryException(RecoveryCodes.BackupExists, $"Another backup is being written to {_destination}.", _destination, "wait for it, or choose another name", e);
        }

        foreach (string folder in Directory.EnumerateDirectories(_backup.Folder))
            Directory.Delete(folder, recursive: true);
        foreach (string file in Directory.EnumerateFiles(_backup.Folder).Where(f => f != LockFile))
            File.Delete(file);
        Directory.CreateDirectory(Scratch);
        return held;
    }

    private async Task<BackupManifest> TakeAsync(FileStream held, CancellationToken ct)
    {
        // From the end of the first attempt: that one copies the store, which takes as long as it takes. And again from the first that was complete.
        long? since = null;
        bool wasComplete = false;
        DateTimeOffset takenAt;
        Attempt attempt;
        while (true)
        {
            takenAt = clock.GetUtcNow();
            attempt = await TryAsync(ct).ConfigureAwait(false);
            bool complete = attempt.Missing.Count == 0;
            if (since is null || (complete && !wasComplete))
                since = clock.GetTimestamp();
            wasComplete |= complete;
            TimeSpan waited = clock.GetElapsedTime(since.Value);
            if (complete && (attempt.LeftOut == 0 || waited >= request.Patience))
                break;
            // What was complete a moment ago lacks what was committed meanwhile, and will have it.
            if (!complete && waited >= (wasComplete ? 2 : 1) * request.Patience)
            {
                throw new RecoveryException(
                    RecoveryCodes.StoreIncomplete,
                    $"The store in {_node.Folder} lacks what the journal names, among it {string.Join(", ", attempt.Missing.Take(5))}.",
                    _node.Folder,
                    "wait until the node is ready, or take the backup on another core node");
            }

            await Task.Delay(Pause, clock, ct).ConfigureAwait(false);
        }

        if (attempt.LeftOut > 0)
            note($"warning: {attempt.LeftOut} transactions that are sealed and not committed are not all in this store, and not in the backup");
        IReadOnlyList<BackupKey> keys = request.KeysDirectory is { } folder ? CopyKeys(folder, [.. attempt.Repositories.Select(r => r.History.Definition.Repository.Value)]) : [];
        var manifest = new BackupManifest
        {
            Format = BackupManifest.FormatName,
            Version = BackupManifest.CurrentVersion,
            TakenAt = takenAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            JournalKind = request.Journal is JournalOptions.Sqlite ? "sqlite" : "postgresql",
            Store = request.Store,
            DataFolder = _node.Folder,
            Journal = CheckedCopy.Describe(_backup.Journal),
            Events = attempt.Events,
            Keys = keys,
            Repositories = [.. attempt.Repositories.Select(r => Describe(r.History, r.Needed))],
            TransactionsLeftOut = attempt.LeftOut,
        };
        Directory.Delete(Scratch, recursive: true);
        FileSystemSync.Flush(_backup.Folder);
        await DurableFile.WriteAtomicAsync(
            _backup.Folder, _backup.Manifest, JsonSerializer.SerializeToUtf8Bytes(manifest, BackupShapes.Default.BackupManifest), cancellationToken: ct).ConfigureAwait(false);
        held.Dispose();
        File.Delete(LockFile);
        DirectorySync.Sync(_backup.Folder);
        Directory.Move(_backup.Folder, _destination);
        DirectorySync.Sync(Path.GetDirectoryName(_destination)!);
        return manifest;
    }

    private async Task<Attempt> TryAsync(CancellationToken ct)
    {
        note("copying the journal");
        await JournalCopy.ToFileAsync(request.Journal, _backup.Journal, ct).ConfigureAwait(false);
        using var journal = new JournalFile(_backup.Journal);
        var repositories = new List<(RepositoryHistory, NeededItems)>();
        var missing = new List<string>();
        int leftOut = 0;
        foreach (RepositoryDefinition definition in journal.Repositories())
        {
            string name = definition.Repository.Value;
            RepositoryHistory history = RepositoryHistory.Read(journal, definition);
            note($"{name}: copying what revision {history.State.Head?.Revision ?? 0} needs");
            if (!_items.TryGetValue(name, out BackupItems? items))
                _items[name] = items = new BackupItems(name, _node, _backup, request.Store == BackupStore.Copy);
            var needed = new NeededItems(history, Scratch);
            needed.Gather(journal.Undecided(definition.Repository), items, ct);
            missing.AddRange(needed.Missing);
            missing.AddRange(Bring(needed, items, ct));
            leftOut += needed.TransactionsLeftOut;
            repositories.Add((history, needed));
        }

        return new Attempt(journal.Events, repositories, missing, leftOut);
    }

    private static List<string> Bring(NeededItems needed, BackupItems items, CancellationToken ct)
    {
        var missing = new System.Collections.Concurrent.ConcurrentBag<string>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct };
        try
        {
            Parallel.ForEach(needed.Required, options, name =>
            {
                if (items.Object(name) is null)
                    missing.Add(name.ToString());
            });
            Parallel.ForEach(needed.Useful, options, name => items.Object(name));
            Parallel.ForEach(needed.Records, options, digest =>
            {
                if (items.Record(digest) is null)
                    missing.Add(digest);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions is [var first, ..])
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }

        return [.. missing];
    }

    private BackupRepository Describe(RepositoryHistory history, NeededItems needed)
    {
        string name = history.Definition.Repository.Value;
        BackupItems items = _items[name];
        items.KeepOnly(new HashSet<ObjectName>(needed.Required.Concat(needed.Useful)), needed.Records);
        return new BackupRepository(
            name,
            history.LastSequence,
            history.State.Head?.Revision ?? 0,
            history.State.Head?.RootHash.ToString() ?? "",
            ItemLists.Write(_backup.ObjectList(name), items.Objects.Select(o => KeyValuePair.Create(o.Key.ToString(), o.Value))),
            ItemLists.Write(_backup.RecordList(name), items.Records));
    }

    private List<BackupKey> CopyKeys(string folder, IReadOnlyList<string> repositories)
    {
        var keys = new List<BackupKey>();
        foreach (string repository in repositories)
        {
            if (!File.Exists(Path.Combine(folder, repository + ".key")))
            {
                throw new RecoveryException(
                    RecoveryCodes.KeysMissing, $"The signing key of {repository} is not in {folder}.", folder, "give the folder of the node's --keys, or take the backup without keys");
            }
        }

        foreach (string name in repositories.SelectMany(BackupFolder.KeyFiles).Append(BackupFolder.AdminToken))
        {
            string from = Path.Combine(folder, name), to = Path.Combine(_backup.Keys, name);
            if (!File.Exists(from))
                continue;
            BackupFile described = CheckedCopy.Describe(from);
            if (CheckedCopy.Sha256(described.Sha256, from, to, Secret) is not >= 0)
                throw new IOException($"{from} changed while it was copied.");
            keys.Add(new BackupKey(name, described));
        }

        return keys;
    }
}
