using CvmfsNix.Cluster.Nix.Derivations;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>
/// The rows of a database in a file of this process alone: without fsync, since the file is a cache of what is stored. Edits are made between <see cref="Begin"/> and <see cref="Commit"/>, and stay in
/// a log beside the file until <see cref="TakeChanges"/>. Not thread-safe.
/// </summary>
internal sealed class NixDatabaseRows : IDisposable
{
    private readonly string _file;
    private readonly StoreDirectory _directory;
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _wait;
    private readonly SqliteCommand _output;
    private long _waiting;

    private NixDatabaseRows(string file, StoreDirectory directory)
    {
        _file = file;
        _directory = directory;
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString());
        _connection.Open();
        try
        {
            Execute($"PRAGMA page_size={NixDatabaseSchema.PageSize}; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; PRAGMA cache_size=-8000;");
            // What a path refers to may come after it in a batch of any size: its references wait in a file, not in memory.
            Execute($"ATTACH DATABASE '{WaitingFile(file).Replace("'", "''", StringComparison.Ordinal)}' AS w; PRAGMA w.journal_mode=MEMORY; PRAGMA w.synchronous=OFF; CREATE TABLE w.Waiting (referrer integer, reference text);");
            if (Number("SELECT count(*) FROM main.sqlite_master") == 0)
                Execute(NixDatabaseSchema.Tables);
            _insert = Command("INSERT INTO ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca) VALUES ($path, $hash, $time, $deriver, $size, NULL, $sigs, $ca) RETURNING id", "$path", "$hash", "$time", "$deriver", "$size", "$sigs", "$ca");
            _wait = Command("INSERT INTO w.Waiting VALUES ($referrer, $reference)", "$referrer", "$reference");
            _output = Command("INSERT OR REPLACE INTO DerivationOutputs (drv, id, path) VALUES ($drv, $id, $path)", "$drv", "$id", "$path");
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <summary>Makes a database without rows, replacing what is there.</summary>
    public static NixDatabaseRows Create(string file, StoreDirectory directory)
    {
        Delete(file);
        return new NixDatabaseRows(file, directory);
    }

    /// <summary>Opens a file that was stored.</summary>
    /// <exception cref="SqliteException">It is no such database.</exception>
    public static NixDatabaseRows Open(string file, StoreDirectory directory)
    {
        File.Delete(WaitingFile(file));
        return new NixDatabaseRows(file, directory);
    }

    /// <summary>How many paths there are, and how many characters their signatures have.</summary>
    public (long Paths, long SignatureLength) Measure() => (Number("SELECT count(*) FROM ValidPaths"), Number("SELECT coalesce(sum(length(sigs)), 0) FROM ValidPaths"));

    /// <summary>Full paths, ascending, with their signatures.</summary>
    public IEnumerable<(string Path, string Signatures)> Paths()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "SELECT path, coalesce(sigs, '') FROM ValidPaths ORDER BY path";
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
            yield return (row.GetString(0), row.GetString(1));
    }

    public void Begin() => Execute("BEGIN");

    /// <summary>Keeps the edits.</summary>
    /// <exception cref="InvalidOperationException">A path refers to one that is not there; the edits are taken back.</exception>
    public void Commit()
    {
        if (_waiting > 0)
        {
            // In this order of tables: few wait, and many are there.
            long resolved = Change("INSERT INTO Refs SELECT w.referrer, v.id FROM w.Waiting w CROSS JOIN ValidPaths v WHERE v.path = w.reference ORDER BY w.referrer, v.id");
            if (resolved != _waiting)
            {
                Rollback();
                throw new InvalidOperationException($"The database of Nix would lack references: {_waiting} were given and {resolved} lead to paths it has.");
            }

            Change("DELETE FROM w.Waiting");
            _waiting = 0;
        }

        Execute("COMMIT");
    }

    public void Rollback()
    {
        Execute("ROLLBACK");
        _waiting = 0;
    }

    /// <summary>Adds a path that is not there; those it refers to may come later, before <see cref="Commit"/>.</summary>
    public void Add(PathInfo info, DateTimeOffset registeredAt, IReadOnlyList<DerivationOutput> outputs)
    {
        _insert.Parameters["$path"].Value = _directory.FullPath(info.Path);
        _insert.Parameters["$hash"].Value = "sha256:" + info.NarHash.ToHex();
        _insert.Parameters["$time"].Value = registeredAt.ToUnixTimeSeconds();
        _insert.Parameters["$deriver"].Value = info.Deriver is { } deriver ? _directory.FullPath(deriver) : DBNull.Value;
        _insert.Parameters["$size"].Value = info.NarSize;
        _insert.Parameters["$sigs"].Value = info.Signatures.Count == 0 ? DBNull.Value : Signatures(info);
        _insert.Parameters["$ca"].Value = info.ContentAddress ?? (object)DBNull.Value;
        long id = (long)_insert.ExecuteScalar()!;
        foreach (StorePathName reference in info.References)
        {
            _wait.Parameters["$referrer"].Value = id;
            _wait.Parameters["$reference"].Value = _directory.FullPath(reference);
            _wait.ExecuteNonQuery();
            _waiting++;
        }

        foreach (DerivationOutput output in outputs.Where(o => o.Path.Length > 0))
        {
            _output.Parameters["$drv"].Value = id;
            _output.Parameters["$id"].Value = output.Name;
            _output.Parameters["$path"].Value = output.Path;
            _output.ExecuteNonQuery();
        }
    }

    /// <summary>Gives a path the signatures of this registration.</summary>
    public void Sign(PathInfo info)
    {
        using SqliteCommand command = Command("UPDATE ValidPaths SET sigs = $sigs WHERE path = $path", "$sigs", "$path");
        command.Parameters["$sigs"].Value = Signatures(info);
        command.Parameters["$path"].Value = _directory.FullPath(info.Path);
        command.ExecuteNonQuery();
    }

    /// <summary>Removes paths by their full names, and every row that names them; those that are not there are passed over.</summary>
    public void Remove(IEnumerable<string> paths)
    {
        using SqliteCommand find = Command("SELECT id FROM ValidPaths WHERE path = $path", "$path");
        using SqliteCommand references = Command("DELETE FROM Refs WHERE referrer = $id OR reference = $id", "$id");
        using SqliteCommand outputs = Command("DELETE FROM DerivationOutputs WHERE drv = $id", "$id");
        using SqliteCommand valid = Command("DELETE FROM ValidPaths WHERE id = $id", "$id");
        foreach (string path in paths)
        {
            find.Parameters["$path"].Value = path;
            if (find.ExecuteScalar() is not long id)
                continue;
            foreach (SqliteCommand command in (ReadOnlySpan<SqliteCommand>)[references, outputs, valid])
            {
                command.Parameters["$id"].Value = id;
                command.ExecuteNonQuery();
            }
        }
    }

    /// <summary>Gives back what removed rows took, when that is more than half of the file. Costs in proportion to the database, and then all of it has changed.</summary>
    public void CompactIfSparse()
    {
        if (Number("PRAGMA freelist_count") * 2 > Number("PRAGMA page_count"))
            Execute("VACUUM main");
    }

    /// <summary>Writes what was committed to the file and tells which pages changed since the last time; numbers from 1, with repetitions. The file is whole from here to the next commit.</summary>
    public IReadOnlyList<uint> TakeChanges()
    {
        List<uint> changed = [.. ChangedPages.In(_file + "-wal")];
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "PRAGMA main.wal_checkpoint(TRUNCATE)";
        using SqliteDataReader row = command.ExecuteReader();
        if (!row.Read() || row.GetInt64(0) != 0)
            throw new InvalidOperationException("The log of the database of Nix could not be emptied.");
        return changed;
    }

    public void Dispose()
    {
        _insert.Dispose();
        _wait.Dispose();
        _output.Dispose();
        _connection.Dispose();
        Delete(_file);
    }

    /// <summary>The signatures as the database has them.</summary>
    public static string Signatures(PathInfo info) => string.Join(' ', info.Signatures);

    private static string WaitingFile(string file) => file + ".waiting";

    private static void Delete(string file)
    {
        foreach (string name in (ReadOnlySpan<string>)[file, file + "-wal", file + "-shm", file + "-journal", WaitingFile(file)])
            File.Delete(name);
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<string> parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (string parameter in parameters)
            command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        return command;
    }

    private void Execute(string sql)
    {
        using SqliteCommand command = Command(sql);
        command.ExecuteNonQuery();
    }

    private long Change(string sql)
    {
        using SqliteCommand command = Command(sql);
        return command.ExecuteNonQuery();
    }

    private long Number(string sql)
    {
        using SqliteCommand command = Command(sql);
        return command.ExecuteScalar() is long number ? number : 0;
    }
}
