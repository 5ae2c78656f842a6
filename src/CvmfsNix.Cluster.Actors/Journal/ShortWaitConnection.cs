using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>
/// A session with an SQLite file that waits for its turn in steps of a millisecond and more. One session writes at a time, and the plugins open readers as writers; the ADO.NET provider
/// looks again after 150 ms, which is many times what a commit takes. SQLite's own waiting is asked first.
/// </summary>
internal sealed class ShortWaitConnection(string connectionString) : SqliteConnection(connectionString)
{
    /// <summary>Then the provider goes on waiting in its own way, up to its limit.</summary>
    private const int WaitMilliseconds = 5000;

    /// <inheritdoc/>
    public override void Open()
    {
        base.Open();
        _ = SQLitePCL.raw.sqlite3_busy_timeout(Handle, WaitMilliseconds);
    }
}
