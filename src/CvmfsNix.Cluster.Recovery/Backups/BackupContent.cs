using System.Text.Json;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Recovery.Journals;
using CvmfsNix.Cluster.Recovery.Objects;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>A backup that is read. Whatever its bytes are, it is a backup or a <see cref="RecoveryException"/>.</summary>
internal sealed class BackupContent
{
    private const long ManifestBytesMax = 64 * 1024 * 1024;

    private BackupContent(BackupFolder folder, BackupManifest manifest) => (Folder, Manifest) = (folder, manifest);

    public BackupFolder Folder { get; }

    public BackupManifest Manifest { get; }

    /// <summary>Reads the manifest and checks everything that is said in it by itself.</summary>
    /// <exception cref="RecoveryException">BackupDamaged, BackupVersion.</exception>
    public static BackupContent Open(string folder)
    {
        var layout = new BackupFolder(Path.GetFullPath(folder));
        var file = new FileInfo(layout.Manifest);
        if (!file.Exists)
            throw Damaged(layout.Folder, Path.Exists(layout.Folder + ".partial") ? "the backup was not finished" : "there is no backup.json: this is no backup, or one that was not finished");
        if (file.Length > ManifestBytesMax)
            throw Damaged(layout.Manifest, $"it has {file.Length} bytes");
        BackupManifest manifest;
        try
        {
            byte[] bytes = File.ReadAllBytes(layout.Manifest);
            Identify(layout, bytes);
            manifest = JsonSerializer.Deserialize(bytes, BackupShapes.Default.BackupManifest) ?? throw Damaged(layout.Manifest, "it is empty");
        }
        catch (JsonException e)
        {
            throw Damaged(layout.Manifest, $"it is not whole: {e.Message}");
        }

        Check(layout, manifest);
        return new BackupContent(layout, manifest);
    }

    /// <summary>Reads every byte of the backup and compares it with what the manifest, the lists and the names say.</summary>
    /// <param name="objects">Where the objects of a backup by reference are: a folder with a folder for each repository; null = in the backup.</param>
    /// <param name="withObjects">False: objects are left out.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="RecoveryException">BackupDamaged, StoreIncomplete, StoreDamaged.</exception>
    public void Verify(string? objects, bool withObjects, CancellationToken ct)
    {
        Require(Folder.Journal, Manifest.Journal);
        foreach (BackupKey key in Manifest.Keys)
            Require(Path.Combine(Folder.Keys, key.Name), key.File);
        VerifyJournal();
        foreach (BackupRepository repository in Manifest.Repositories)
        {
            string name = repository.Repository;
            Require(Folder.ObjectList(name), repository.Objects.List);
            Require(Folder.RecordList(name), repository.Records.List);
            VerifyAll(ItemLists.ReadRecords(Folder.RecordList(name)), repository.Records, Folder.RecordList(name), item => VerifyRecord(name, item.Name, item.Bytes), ct);
            if (!withObjects)
                continue;
            VerifyAll(ItemLists.ReadObjects(Folder.ObjectList(name)), repository.Objects, Folder.ObjectList(name), item => VerifyObject(name, item.Name, item.Bytes, objects), ct);
        }
    }

    /// <summary>Where an object of the backup is.</summary>
    public string ObjectFile(string repository, ObjectName name, string? objects) =>
        objects is null ? Folder.ObjectFile(repository, name) : Path.Combine(objects, repository, name.RelativePath);

    private void VerifyRecord(string repository, string digest, long bytes)
    {
        if (CheckedCopy.Sha256(digest, Folder.RecordFile(repository, digest)) != bytes)
            throw Damaged(Folder.RecordFile(repository, digest), "it is not there, or its bytes are not those of its name");
    }

    private void VerifyObject(string repository, ObjectName name, long bytes, string? objects)
    {
        string file = ObjectFile(repository, name, objects);
        long? found = CheckedCopy.Object(name, file);
        if (found == bytes)
            return;
        if (objects is null)
            throw Damaged(file, "it is not there, or its bytes are not those of its name");
        throw found is null
            ? new RecoveryException(RecoveryCodes.StoreIncomplete, $"The object {name} of {repository} is not in {objects}.", file, "give the folder of another store: DATA/cvmfs of a core node or mirror")
            : new RecoveryException(RecoveryCodes.StoreDamaged, $"{file} has other bytes than its name says.", file, "give the folder of another store: DATA/cvmfs of a core node or mirror");
    }

    private void VerifyJournal()
    {
        using var journal = new JournalFile(Folder.Journal);
        if (journal.Events != Manifest.Events)
            throw Damaged(Folder.Journal, $"it has {journal.Events} events, and the manifest says {Manifest.Events}");
        List<string> named = [.. journal.Repositories().Select(d => d.Repository.Value)];
        if (!named.SequenceEqual(Manifest.Repositories.Select(r => r.Repository)))
            throw Damaged(Folder.Manifest, $"it names the repositories {string.Join(", ", Manifest.Repositories.Select(r => r.Repository))}, and the journal {string.Join(", ", named)}");
        foreach ((RepositoryDefinition definition, BackupRepository said) in journal.Repositories().Zip(Manifest.Repositories))
        {
            RepositoryHistory history = RepositoryHistory.Read(journal, definition);
            if (history.LastSequence != said.Sequence || (history.State.Head?.Revision ?? 0) != said.Revision || (history.State.Head?.RootHash.ToString() ?? "") != said.RootHash)
                throw Damaged(Folder.Manifest, $"it says that {said.Repository} is at revision {said.Revision}, {said.RootHash}, which is not what the journal says");
        }
    }

    private static void VerifyAll<T>(IEnumerable<(T Name, long Bytes)> items, BackupList said, string list, Action<(T Name, long Bytes)> verify, CancellationToken ct)
    {
        long count = 0, bytes = 0;
        try
        {
            Parallel.ForEach(items, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct }, item =>
            {
                verify(item);
                Interlocked.Increment(ref count);
                Interlocked.Add(ref bytes, item.Bytes);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions is [var first, ..])
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }

        if ((count, bytes) != (said.Count, said.Bytes))
            throw Damaged(list, $"it has {count} files with {bytes} bytes, and the manifest says {said.Count} with {said.Bytes}");
    }

    // Before anything else is read: another version may have other fields.
    private static void Identify(BackupFolder layout, byte[] bytes)
    {
        using JsonDocument document = JsonDocument.Parse(bytes);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty("format", out JsonElement format) || format.ValueKind != JsonValueKind.String || format.GetString() != BackupManifest.FormatName
            || !document.RootElement.TryGetProperty("version", out JsonElement version) || version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out int number) || number < 1)
            throw Damaged(layout.Manifest, "it is not of a backup of this program");
        if (number > BackupManifest.CurrentVersion)
        {
            throw new RecoveryException(
                RecoveryCodes.BackupVersion, $"{layout.Folder} is a backup of version {number}; this program reads up to {BackupManifest.CurrentVersion}.", layout.Folder, "restore it with the program that made it, or a newer one");
        }
    }

    // Names become paths: none that is not a name gets further.
    private static void Check(BackupFolder layout, BackupManifest manifest)
    {
        foreach (BackupRepository repository in manifest.Repositories)
        {
            if (!RepositoryName.IsValid(repository.Repository))
                throw Damaged(layout.Manifest, $"\"{Excerpt.Of(repository.Repository)}\" is not a repository name");
        }

        HashSet<string> keys = [.. manifest.Repositories.SelectMany(r => BackupFolder.KeyFiles(r.Repository)), BackupFolder.AdminToken];
        if (manifest.Keys.FirstOrDefault(k => !keys.Contains(k.Name)) is { } stray)
            throw Damaged(layout.Manifest, $"\"{Excerpt.Of(stray.Name)}\" is not a key file of its repositories");
        if (manifest.Repositories.DistinctBy(r => r.Repository).Count() != manifest.Repositories.Count)
            throw Damaged(layout.Manifest, "it names a repository twice");
    }

    private static void Require(string file, BackupFile said)
    {
        if (CheckedCopy.Sha256(said.Sha256, file) != said.Bytes)
            throw Damaged(file, "it is not there, or its bytes are not what the manifest says");
    }

    private static RecoveryException Damaged(string file, string problem) =>
        new(RecoveryCodes.BackupDamaged, $"The backup is damaged at {file}: {problem}.", file, "nothing was changed; take another backup");
}
