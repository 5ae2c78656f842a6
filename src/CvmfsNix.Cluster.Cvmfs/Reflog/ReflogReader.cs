using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Sqlite;

namespace CvmfsNix.Cluster.Cvmfs.Reflog;

/// <summary>Reads <c>.cvmfsreflog</c>, an uncompressed SQLite file of schema 1.0.</summary>
public static class ReflogReader
{
    /// <summary>Most entries that are read.</summary>
    public const int EntriesMax = 10_000_000;

    /// <summary>All entries in the order they were entered.</summary>
    /// <exception cref="ReflogFormatException">Not a reflog.</exception>
    public static IReadOnlyList<ReflogEntry> Read(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var database = SqliteDatabase.OpenFile(file, readOnly: true, what => new ReflogFormatException($"{file} is no good reflog: {what}."));
        if (!database.HasTable("refs")) throw database.Fault("it has no table 'refs'");
        var entries = new List<ReflogEntry>();
        using var row = database.Prepare($"SELECT hash, type, timestamp FROM refs ORDER BY rowid LIMIT {EntriesMax + 1}");
        while (row.Step())
        {
            if (entries.Count == EntriesMax) throw database.Fault($"it has more than {EntriesMax} entries");
            var text = row.String(0);
            if (!ObjectHash.TryParse(text, out var hash)) throw database.Fault($"'{Excerpt.Of(text)}' is no hash");
            var kind = row.Integer(1) switch
            {
                0 => ObjectKind.Catalog,
                1 => ObjectKind.Certificate,
                2 => ObjectKind.History,
                3 => ObjectKind.MetaInfo,
                var other => throw database.Fault($"{text} is of the unknown type {other}"),
            };
            var seconds = row.Integer(2);
            if (seconds < 0 || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds()) throw database.Fault($"{text} has the time {seconds}");
            entries.Add(new ReflogEntry(new ObjectName(hash, kind), DateTimeOffset.FromUnixTimeSeconds(seconds)));
        }

        return entries;
    }
}
