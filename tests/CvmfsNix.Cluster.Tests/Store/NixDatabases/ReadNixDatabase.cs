using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.NixDatabases;

/// <summary>The database of Nix as a client of the repository reads it: an ordinary file, opened where nothing can be written.</summary>
internal sealed class ReadNixDatabase : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-db-").FullName;
    private readonly SqliteConnection _connection;

    private ReadNixDatabase(byte[] content)
    {
        Content = content;
        string file = Path.Combine(_folder, "db.sqlite");
        File.WriteAllBytes(file, content);
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = $"file:{file}?immutable=1", Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        _connection.Open();
    }

    public byte[] Content { get; }

    public static async Task<ReadNixDatabase> OpenAsync(TestRepository repository, CancellationToken cancellationToken)
    {
        await using RepositoryReader reader = await repository.OpenReaderAsync(cancellationToken);
        CatalogEntry? row = await reader.FindAsync(repository.Format.ProfilesRoot.Parent.Combine("db").Combine("db.sqlite"), cancellationToken);
        Assert.NotNull(row);
        using var content = new MemoryStream();
        await reader.CopyToAsync(row, content, cancellationToken);
        Assert.Equal(row.Size, content.Length);
        return new ReadNixDatabase(content.ToArray());
    }

    public List<string> Lines(string sql)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader row = command.ExecuteReader();
        var lines = new List<string>();
        while (row.Read())
            lines.Add(string.Join('|', Enumerable.Range(0, row.FieldCount).Select(i => row.IsDBNull(i) ? "" : row.GetValue(i).ToString())));
        return lines;
    }

    /// <summary>It is whole, needs no log, and its references lead to paths it has.</summary>
    public void AssertSound()
    {
        Assert.Equal([1, 1], Content[18..20]);
        Assert.Equal(["ok"], Lines("PRAGMA integrity_check"));
        Assert.Empty(Lines("PRAGMA foreign_key_check"));
        Assert.Equal(Content.Length / 4096, int.Parse(Lines("PRAGMA page_count")[0], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>It has the paths of the index, and what Nix asks of them.</summary>
    public void AssertIs(TestRepository repository)
    {
        AssertSound();
        string[] expected =
        [
            .. repository.Store.Index.Paths.All().Select(p => p.Info).Select(i => string.Join(
                '|',
                repository.Format.StoreDirectory.FullPath(i.Path),
                "sha256:" + i.NarHash.ToHex(),
                i.NarSize,
                i.Deriver is { } deriver ? repository.Format.StoreDirectory.FullPath(deriver) : "",
                string.Join(' ', i.Signatures),
                i.ContentAddress ?? "",
                string.Join(' ', i.References.Select(repository.Format.StoreDirectory.FullPath)))),
        ];
        Assert.Equal(expected, Lines(
            """
            SELECT path, hash, narSize, deriver, sigs, ca, coalesce((SELECT group_concat(r.path, ' ') FROM
              (SELECT t.path FROM Refs f JOIN ValidPaths t ON t.id = f.reference WHERE f.referrer = v.id ORDER BY t.path) r), '')
            FROM ValidPaths v ORDER BY path
            """));
    }

    public void Dispose()
    {
        _connection.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
