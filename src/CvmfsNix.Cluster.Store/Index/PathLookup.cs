using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>One consistent state of the <see cref="PathIndex"/>, to be asked path by path. Not thread-safe; short-lived, as it keeps the index's log from being cut.</summary>
internal sealed class PathLookup : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteTransaction _snapshot;
    private readonly SqliteCommand _command;
    private readonly SqliteParameter _name;

    /// <summary>Takes the connection over.</summary>
    public PathLookup(SqliteConnection connection)
    {
        _connection = connection;
        _snapshot = connection.BeginTransaction(deferred: true);
        _command = connection.CreateCommand();
        _command.Transaction = _snapshot;
        _command.CommandText = "SELECT nar_hash FROM paths WHERE name = $a";
        _name = _command.Parameters.Add("$a", SqliteType.Text);
    }

    /// <summary>The NAR hash of a committed path; null for one that is not committed.</summary>
    public NarHash? Find(StorePathName path)
    {
        _name.Value = path.Value;
        return _command.ExecuteScalar() is byte[] hash ? new NarHash(hash) : null;
    }

    public void Dispose()
    {
        _command.Dispose();
        _snapshot.Dispose();
        _connection.Dispose();
    }
}
