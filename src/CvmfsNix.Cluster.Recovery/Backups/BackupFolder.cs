using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>
/// Where things lie in a backup.
/// <code>
/// backup.json                     the manifest
/// journal.db                      the journal, a SQLite file whatever it came from
/// lists/FQRN.objects, .records    one name and its bytes a line, ascending
/// cvmfs/FQRN/data/…               objects, unless the backup is by reference
/// meta/FQRN/blobs/…               record files
/// keys/                           key files, only on request
/// </code>
/// </summary>
/// <param name="Folder">The backup's folder.</param>
internal sealed record BackupFolder(string Folder)
{
    private static readonly string[] KeySuffixes = [".pub", ".crt", ".key", ".masterkey", ".nix.pub", ".nix.sec"];

    /// <summary>The credential the nodes of a cluster share; not of a repository.</summary>
    public const string AdminToken = "admin.token";

    public string Manifest => Path.Combine(Folder, "backup.json");

    public string Journal => Path.Combine(Folder, "journal.db");

    /// <summary>Objects and record files lie as in a node's data folder.</summary>
    public StoreLayout Store => new(Folder);

    public string Lists => Path.Combine(Folder, "lists");

    public string Keys => Path.Combine(Folder, "keys");

    public string ObjectList(string repository) => Path.Combine(Lists, Checked(repository) + ".objects");

    public string RecordList(string repository) => Path.Combine(Lists, Checked(repository) + ".records");

    public string ObjectFile(string repository, ObjectName name) => Path.Combine(Store.RepositoryFolder(repository), name.RelativePath);

    public string RecordFile(string repository, string digest) => Path.Combine(Store.BlobsFolder(repository), digest[..2], digest);

    /// <summary>Names that key files of a repository may have.</summary>
    public static IEnumerable<string> KeyFiles(string repository) => KeySuffixes.Select(s => Checked(repository) + s);

    private static string Checked(string repository) =>
        RepositoryName.IsValid(repository) ? repository : throw new ArgumentException($"'{repository}' is not a legal repository name.", nameof(repository));
}
