using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Recovery.Objects;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>
/// Brings a repository's files from the store of a node, which may run, into a backup. What was brought once stays, whatever the node collects since: so a
/// later attempt has little left to do, and little can be collected under it. Thread-safe.
/// </summary>
/// <param name="repository">The repository.</param>
/// <param name="node">The node's data folder.</param>
/// <param name="backup">The backup.</param>
/// <param name="copyObjects">False: objects are read where they are.</param>
internal sealed class BackupItems(string repository, BackupFolder node, BackupFolder backup, bool copyObjects) : IItemSource
{
    private readonly ConcurrentDictionary<ObjectName, long> _objects = new();
    private readonly ConcurrentDictionary<string, long> _records = new(StringComparer.Ordinal);

    /// <summary>Objects brought, with their bytes.</summary>
    public IReadOnlyDictionary<ObjectName, long> Objects => _objects;

    /// <summary>Record files brought, with their bytes.</summary>
    public IReadOnlyDictionary<string, long> Records => _records;

    public string? Object(ObjectName name)
    {
        string from = node.ObjectFile(repository, name), to = backup.ObjectFile(repository, name);
        if (!_objects.ContainsKey(name))
        {
            // A reference says what is there, and its bytes are somebody else's affair, except for catalogs, which are read here.
            long? length = copyObjects ? CheckedCopy.Object(name, from, to) : name.Kind == ObjectKind.Catalog ? CheckedCopy.Object(name, from) : Length(from);
            if (length is not { } bytes)
                return null;
            if (bytes < 0)
                throw Damaged(from);
            _objects[name] = bytes;
        }

        return copyObjects ? to : File.Exists(from) ? from : null;
    }

    public string? Record(string digest)
    {
        string from = node.RecordFile(repository, digest), to = backup.RecordFile(repository, digest);
        if (!_records.ContainsKey(digest))
        {
            if (CheckedCopy.Sha256(digest, from, to) is not { } bytes)
                return null;
            if (bytes < 0)
                throw Damaged(from);
            _records[digest] = bytes;
        }

        return to;
    }

    /// <summary>Takes out of the backup what an earlier attempt brought and the last one does not need.</summary>
    public void KeepOnly(IReadOnlySet<ObjectName> objects, IReadOnlySet<string> records)
    {
        foreach (ObjectName name in _objects.Keys.Where(n => !objects.Contains(n)))
        {
            _objects.TryRemove(name, out _);
            if (copyObjects)
                File.Delete(backup.ObjectFile(repository, name));
        }

        foreach (string digest in _records.Keys.Where(d => !records.Contains(d)))
        {
            _records.TryRemove(digest, out _);
            File.Delete(backup.RecordFile(repository, digest));
        }
    }

    private static long? Length(string file)
    {
        var info = new FileInfo(file);
        return info.Exists ? info.Length : null;
    }

    private RecoveryException Damaged(string file) => new(
        RecoveryCodes.StoreDamaged, $"{file} has other bytes than its name says.", file, $"mend the store: pbm store scrub --repair on the node, for {repository}; then try again");
}
