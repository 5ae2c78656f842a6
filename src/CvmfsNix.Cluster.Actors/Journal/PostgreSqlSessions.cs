using System.Data.Common;
using System.Net.Sockets;
using CvmfsNix.Cluster.Actors.Journal.Commits;
using Npgsql;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>Sessions of this node with the journal database, and what their failures mean.</summary>
/// <param name="connectionString">An Npgsql connection string.</param>
internal sealed class PostgreSqlSessions(string connectionString)
{
    // A small question that is not answered in this time has to be asked again.
    private const int AnswerSeconds = 5;
    private const int PluginPoolMax = 16;

    // A leader that is frozen, or cut off, between an INSERT and its COMMIT holds the number of that event: its successor's append waits for
    // a row that nobody will ever commit. Well below the time in which a silent leader is replaced; whoever loses a session this way does
    // not know the outcome and reads the journal again, as after any broken connection.
    private const string IdleTransactionTimeout = "idle_in_transaction_session_timeout";
    private const int IdleTransactionMilliseconds = 3000;

    /// <summary>Host and database, for messages: never the user's secrets.</summary>
    public string Where { get; } = WhereOf(connectionString);

    private string Own { get; } = Refine(connectionString, "cvmfsnix", 4);

    /// <summary>The connection string of one plugin instance: pools are kept by connection string, so each has its own.</summary>
    public string ForPlugin(string plugin) => Refine(connectionString, "cvmfsnix " + string.Join('.', plugin.Split('.').TakeLast(2)), PluginPoolMax);

    /// <summary>Runs something on a connection of its own.</summary>
    /// <exception cref="JournalException">The database refuses this node for good.</exception>
    /// <exception cref="JournalUnavailableException">It does not answer at present.</exception>
    public async Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken ct)
    {
        try
        {
            var connection = new FirmConnection(Own);
            await using var ended = connection.ConfigureAwait(false);
            await connection.OpenAsync(ct).ConfigureAwait(false);
            return await work(connection).ConfigureAwait(false);
        }
        catch (PostgresException e) when (Refuses(e.SqlState))
        {
            throw new JournalException($"The journal database {Where} refuses this node: {e.MessageText} {Advice(e.SqlState)}", e);
        }
        catch (Exception e) when (e is NpgsqlException or SocketException or IOException or TimeoutException)
        {
            throw new JournalUnavailableException($"The journal database {Where} does not answer: {e.Message}", e);
        }
    }

    // Wrong password, wrong user, no such database, no right: waiting does not help.
    private static bool Refuses(string state) => state is "28P01" or "28000" or "3D000" or "42501";

    private static string Advice(string state) => state switch
    {
        "28P01" or "28000" => "Check user and password (PGPASSWORD, PGPASSFILE, or the whole string in CVMFSNIX__JOURNAL).",
        "3D000" => "Create the database first (createdb), then start with --journal-init.",
        _ => "The user must own the tables, or may create them.",
    };

    private static string WhereOf(string connectionString)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        return $"{parts.Database ?? parts.Username} at {parts.Host}:{parts.Port}";
    }

    private static string Refine(string connectionString, string name, int poolMax)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = name, MaxPoolSize = poolMax };
        // What the operator wrote stands.
        if (!parts.ContainsKey("Timeout") || parts.Timeout == 15)
            parts.Timeout = AnswerSeconds;
        if (parts.CommandTimeout == 30)
            parts.CommandTimeout = AnswerSeconds;
        if (parts.KeepAlive == 0)
            parts.KeepAlive = AnswerSeconds;
        if (parts.Options?.Contains(IdleTransactionTimeout, StringComparison.Ordinal) != true)
            parts.Options = $"{parts.Options} -c {IdleTransactionTimeout}={IdleTransactionMilliseconds}".TrimStart();
        if (parts.Host?.Contains(',', StringComparison.Ordinal) == true && string.IsNullOrEmpty(parts.TargetSessionAttributes))
            parts.TargetSessionAttributes = "read-write";
        return parts.ConnectionString;
    }
}
