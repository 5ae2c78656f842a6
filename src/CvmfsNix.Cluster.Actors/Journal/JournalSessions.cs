using Akka.Persistence.Sql.Config;
using Akka.Persistence.Sql.Query;
using CvmfsNix.Cluster.Actors.Journal.Commits;
using LinqToDB;
using LinqToDB.DataProvider;
using LinqToDB.DataProvider.PostgreSQL;
using LinqToDB.DataProvider.SQLite;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>Makes the journal plugins use sessions of our own: <see cref="FirmConnection"/> with a server, <see cref="ShortWaitConnection"/> with a file.</summary>
internal static class JournalSessions
{
    /// <summary>For an actor system.</summary>
    /// <param name="database">Of the journal.</param>
    public static MultiDataOptionsSetup Setup(IJournalDatabase database)
    {
        var setup = new MultiDataOptionsSetup();
        foreach (string plugin in (string[])[JournalPlugins.Shared, JournalPlugins.Writer, JournalPlugins.Snapshots])
            setup.AddDataOptions(plugin, Options(database.ConnectionOf(plugin)));
        // Readers of a server have nothing to commit; those of a file stand in line with its writers.
        if (database.ConnectionOf("query") is { IsServer: false } reading)
            setup.AddDataOptions(SqlReadJournal.Identifier, Options(reading));
        return setup;
    }

    private static DataOptions Options(JournalConnection connection)
    {
        IDataProvider provider = connection.IsServer
            ? PostgreSQLTools.GetDataProvider(PostgreSQLVersion.v15)
            : SQLiteTools.GetDataProvider(SQLiteProvider.Microsoft);
        var options = new DataOptions().UseConnectionFactory(
            provider, _ => connection.IsServer ? new FirmConnection(connection.ConnectionString) : new ShortWaitConnection(connection.ConnectionString));
        // The plugins look for the name only.
        return options.WithOptions(options.ConnectionOptions with { ProviderName = connection.Provider });
    }
}
