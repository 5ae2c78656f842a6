using System.Security.Cryptography;
using CvmfsNix.Cluster.FaultTests.Processes;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>
/// Everything a refused request could have changed: the named files, the objects, and the rows of the journal. Left out are the rows of the
/// ledgers, which say that something was asked for, and decisions (manifest rd), which are the refusal itself, on record for every retry, and marks of leaders (ls, gl), which every start makes.
/// </summary>
internal sealed record ServedState(IReadOnlyDictionary<string, string> NamedFiles, IReadOnlySet<string> Objects, IReadOnlyDictionary<string, long> JournalRows)
{
    /// <summary>Reads it from a node's data folder, also while the node runs.</summary>
    public static ServedState Read(string data, string repository)
    {
        string folder = Path.Combine(data, "cvmfs", repository);
        return new ServedState(
            Directory.EnumerateFiles(folder).ToDictionary(f => Path.GetFileName(f), f => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(f)))),
            Directory.EnumerateFiles(Path.Combine(folder, "data"), "*", SearchOption.AllDirectories)
                .Select(f => Path.GetRelativePath(folder, f))
                .Where(f => !f.StartsWith("data/txn/", StringComparison.Ordinal))
                .ToHashSet(),
            ReadJournal(Path.Combine(data, "journal.db")));
    }

    /// <summary>
    /// Waits for nothing: fails at once when something is different. Verified objects of a refused request may stay in the store, where
    /// no path leads to them; <paramref name="objectsMayStay"/> allows that.
    /// </summary>
    public void AssertUnchanged(string data, string repository, bool objectsMayStay = false)
    {
        ServedState now = Read(data, repository);
        Assert.Equal(NamedFiles.OrderBy(f => f.Key), now.NamedFiles.OrderBy(f => f.Key));
        Assert.Equal(JournalRows.OrderBy(r => r.Key), now.JournalRows.OrderBy(r => r.Key));
        Assert.Subset(now.Objects.ToHashSet(), Objects.ToHashSet());
        if (!objectsMayStay)
            Assert.Equal(Objects.Order(), now.Objects.Order());
    }

    private static Dictionary<string, long> ReadJournal(string file)
    {
        // A copy: the library resolves links in the path, and one that leads into another process's file system leads nowhere then.
        using var scratch = new Scratch("journal");
        foreach (string suffix in (string[])["", "-wal"])
            File.Copy(file + suffix, scratch["journal.db" + suffix]);
        using var journal = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = scratch["journal.db"], Pooling = false }.ToString());
        journal.Open();
        using SqliteCommand command = journal.CreateCommand();
        command.CommandText = "SELECT persistence_id, count(*) FROM journal WHERE (persistence_id LIKE 'repository-%' OR persistence_id = 'registry') AND manifest NOT IN ('rd', 'ls', 'gl') GROUP BY 1";
        using SqliteDataReader row = command.ExecuteReader();
        var rows = new Dictionary<string, long>();
        while (row.Read())
            rows.Add(row.GetString(0), row.GetInt64(1));
        return rows;
    }
}
