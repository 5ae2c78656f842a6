using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reflog;
using CvmfsNix.Cluster.Cvmfs.Tags;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Catalogs;

/// <summary>SQLite files made to cost their reader time or memory; what the fuzzer found, and what it would need luck for.</summary>
public class HostileFileTests
{
    [Fact]
    public void Computed_columns_are_refused_before_they_compute_anything()
    {
        using var folder = new TemporaryFolder();
        foreach (var (file, table, read) in Files(folder))
        {
            Change(file, $"ALTER TABLE {table} ADD COLUMN extra AS (zeroblob(900000000))");
            Assert.Contains("computed columns", Refused(() => read(file)).Message);
        }
    }

    [Fact]
    public void A_view_or_virtual_table_in_the_place_of_a_table_is_refused_however_it_is_entered()
    {
        using var folder = new TemporaryFolder();
        foreach (var (file, table, read) in Files(folder))
        {
            Change(file, "PRAGMA writable_schema=ON; INSERT INTO sqlite_master VALUES ('table', 'extra', 'extra', 3, 'CREATE/**/VIRTUAL TABLE extra USING fts5(x)')");
            Assert.Contains("virtual tables", Refused(() => read(file)).Message);
        }

        foreach (var (file, table, read) in Files(folder))
        {
            Change(file, $"ALTER TABLE {table} RENAME TO old; CREATE VIEW {table} AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT old.* FROM old, c");
            Assert.Contains("views", Refused(() => read(file)).Message);
        }
    }

    [Fact]
    public void Pages_that_lead_to_the_same_rows_without_end_are_refused()
    {
        using var folder = new TemporaryFolder();
        foreach (var (file, table, read) in Files(folder))
        {
            File.WriteAllBytes(file, Multiplied(file, table));
            Assert.Contains("more steps", Refused(() => read(file)).Message);
        }
    }

    [Fact]
    public void A_value_larger_than_anything_of_the_format_is_refused()
    {
        using var folder = new TemporaryFolder();
        foreach (var (file, table, read) in Files(folder))
        {
            Change(file, $"UPDATE {table} SET {(table == "catalog" ? "xattr" : table == "tags" ? "description" : "hash")}=zeroblob(5000000) WHERE rowid=(SELECT max(rowid) FROM {table})");
            Refused(() => read(file));
        }
    }

    [Fact]
    public void A_row_listed_twice_is_refused()
    {
        using var folder = new TemporaryFolder();
        var file = Files(folder).First().File;
        Change(file, "PRAGMA foreign_keys=OFF; DROP INDEX catalog_by_parent; CREATE TABLE copy AS SELECT * FROM catalog; DROP TABLE catalog; ALTER TABLE copy RENAME TO catalog; INSERT INTO catalog SELECT * FROM catalog WHERE name='f03'");
        Assert.Contains("order of their names", Refused(() =>
        {
            using var reader = CatalogReader.Open(file);
            _ = reader.All().Count();
        }).Message);
    }

    private static IEnumerable<(string File, string Table, Action<string> Read)> Files(TemporaryFolder folder)
    {
        using var writer = CatalogWriter.Create(new CatalogProperties { Revision = 1, LastModified = 1 });
        writer.Insert(new CatalogEntry { Path = RepositoryPath.Root, Mode = 16877, LinkCount = 2 });
        for (var i = 0; i < 30; i++) writer.Insert(new CatalogEntry { Path = RepositoryPath.Root.Combine($"f{i:d2}"), Mode = 33188, Hash = CatalogWriterTests.SomeHash });
        yield return (folder.Write("catalog", writer.ToBytes()), "catalog", file =>
        {
            using var reader = CatalogReader.Open(file);
            _ = reader.CountRows();
            _ = reader.All().Count();
        });
        var trunk = new RepositoryTag("trunk", CatalogWriterTests.SomeHash, 7, DateTimeOffset.UnixEpoch, 4096, "");
        yield return (folder.Write("tags", TagDatabase.Write("demo.example.org", [trunk, trunk with { Name = "x" }])), "tags", file => TagDatabase.Read(file));
        yield return (folder.Write("reflog", Golden.Bytes(".cvmfsreflog")), "refs", file => ReflogReader.Read(file));
    }

    private static Exception Refused(Action read)
    {
        var e = Record.Exception(read);
        Assert.True(e is CatalogFormatException or TagDatabaseFormatException or ReflogFormatException, e?.ToString() ?? "it was read");
        return e!;
    }

    private static void Change(string file, string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>A table whose tree has eight levels of pages, each of which leads to the next one forty times: forty to the eighth times its rows.</summary>
    private static byte[] Multiplied(string file, string table)
    {
        const int levels = 8, cells = 40;
        int root;
        using (var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString()))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = $"SELECT rootpage FROM sqlite_master WHERE type='table' AND name='{table}'";
            root = (int)(long)command.ExecuteScalar()!;
        }

        var bytes = File.ReadAllBytes(file);
        int size = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(16)), count = bytes.Length / size;
        var page = bytes.AsSpan((root - 1) * size, size);
        var leaf = page[0] == 13 ? page.ToArray() : bytes.AsSpan(((int)BinaryPrimitives.ReadUInt32BigEndian(page[BinaryPrimitives.ReadUInt16BigEndian(page[12..])..]) - 1) * size, size).ToArray();
        Inner(count + 1).CopyTo(page);
        var grown = bytes.Concat(Enumerable.Range(2, levels - 1).SelectMany(i => Inner(count + i))).Concat(leaf).ToArray();
        BinaryPrimitives.WriteUInt32BigEndian(grown.AsSpan(28), (uint)(grown.Length / size));
        return grown;

        byte[] Inner(int next)
        {
            var inner = new byte[size];
            inner[0] = 5;
            BinaryPrimitives.WriteUInt16BigEndian(inner.AsSpan(3), cells);
            BinaryPrimitives.WriteUInt16BigEndian(inner.AsSpan(5), (ushort)(size - 6 * cells));
            BinaryPrimitives.WriteUInt32BigEndian(inner.AsSpan(8), (uint)next);
            for (var i = 0; i < cells; i++)
            {
                var at = size - 6 * (i + 1);
                BinaryPrimitives.WriteUInt32BigEndian(inner.AsSpan(at), (uint)next);
                inner[at + 4] = (byte)(i + 1);
                BinaryPrimitives.WriteUInt16BigEndian(inner.AsSpan(12 + 2 * i), (ushort)at);
            }

            return inner;
        }
    }
}
