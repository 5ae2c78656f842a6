using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Recovery.Objects;
using CvmfsNix.Cluster.Store.Blobs;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>Lists of content-addressed files: a name and its bytes a line, ascending by the text of the name.</summary>
internal static class ItemLists
{
    private const int LineMax = 128;

    /// <summary>Writes a list.</summary>
    public static BackupList Write(string file, IEnumerable<KeyValuePair<string, long>> items)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        long count = 0, bytes = 0;
        using (var writer = new StreamWriter(file, append: false, new UTF8Encoding(false)))
        {
            foreach ((string name, long length) in items.OrderBy(i => i.Key, StringComparer.Ordinal))
            {
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{name} {length}\n"));
                count++;
                bytes += length;
            }
        }

        return new BackupList(CheckedCopy.Describe(file), count, bytes);
    }

    /// <summary>Reads a list of objects.</summary>
    /// <exception cref="RecoveryException">BackupDamaged.</exception>
    public static IEnumerable<(ObjectName Name, long Bytes)> ReadObjects(string file) =>
        Read(file).Select(i => ObjectName.TryParse(i.Name, out ObjectName name) ? (name, i.Bytes) : throw Damaged(file, i.Name));

    /// <summary>Reads a list of record files.</summary>
    /// <exception cref="RecoveryException">BackupDamaged.</exception>
    public static IEnumerable<(string Digest, long Bytes)> ReadRecords(string file) =>
        Read(file).Select(i => BlobFolder.IsDigest(i.Name) ? (i.Name, i.Bytes) : throw Damaged(file, i.Name));

    private static IEnumerable<(string Name, long Bytes)> Read(string file)
    {
        using var reader = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: false));
        string last = "";
        while (reader.ReadLine() is { } line)
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if (line.Length > LineMax || space <= 0 || !long.TryParse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes))
                throw Damaged(file, line);
            string name = line[..space];
            if (string.CompareOrdinal(last, name) >= 0)
                throw Damaged(file, line);
            last = name;
            yield return (name, bytes);
        }
    }

    private static RecoveryException Damaged(string file, string line) => new(
        RecoveryCodes.BackupDamaged, $"{file} is no list of this program at \"{Excerpt.Of(line)}\".", file, "take another backup");
}
