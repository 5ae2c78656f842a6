using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Checking;

/// <summary>The database of Nix in a tree, read as any client could.</summary>
internal static class NixDatabaseCheck
{
    /// <summary>It is sound, closed under references, and lists nothing that the tree lacks. Returns how many paths it lists.</summary>
    public static async Task<long> ReadAsync(NodeAddresses server, string repository, string folder, CancellationToken cancellationToken)
    {
        string tree = Directory.CreateDirectory(Path.Combine(folder, Guid.NewGuid().ToString("N"))).FullName;
        string file = Path.Combine(tree, "db.sqlite");
        await CliProcess.RunAsync(server, ["get", "/nix/var/nix/db/db.sqlite", file, "--repo", repository], cancellationToken);
        var listed = new HashSet<string>(StringComparer.Ordinal);
        foreach (System.Text.Json.JsonElement entry in (await CliProcess.RunAsync(server, ["ls", "/nix/store", "--repo", repository], cancellationToken)).Lines)
            listed.Add(entry.GetProperty("path").GetString()!);
        await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = $"file:{file}?immutable=1", Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        await connection.OpenAsync(cancellationToken);
        Assert.Equal(["ok"], Read("PRAGMA integrity_check"));
        Assert.Empty(Read("PRAGMA foreign_key_check"));
        List<string> paths = Read("SELECT path FROM ValidPaths");
        Assert.DoesNotContain(paths, p => !listed.Contains(p));
        Directory.Delete(tree, recursive: true);
        return paths.Count;

        List<string> Read(string sql)
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            using SqliteDataReader row = command.ExecuteReader();
            var values = new List<string>();
            while (row.Read())
                values.Add(row.GetValue(0).ToString()!);
            return values;
        }
    }

    /// <summary>The same; and once nobody publishes it has every path.</summary>
    public static async Task CompleteAsync(NodeAddresses server, string repository, string folder, CancellationToken cancellationToken)
    {
        long paths = (await CliProcess.RunAsync(server, ["repo", "show", repository], cancellationToken)).Document.GetProperty("paths").GetInt64();
        await Deadline.UntilAsync(async () => await ReadAsync(server, repository, folder, cancellationToken) == paths, $"the database of Nix lists all {paths} paths", cancellationToken);
    }
}
