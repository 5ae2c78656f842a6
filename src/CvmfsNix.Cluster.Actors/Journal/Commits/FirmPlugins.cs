using Akka.Persistence.Sql.Config;
using LinqToDB;
using LinqToDB.DataProvider.PostgreSQL;

namespace CvmfsNix.Cluster.Actors.Journal.Commits;

/// <summary>Makes the journal plugins use <see cref="FirmConnection"/>.</summary>
internal static class FirmPlugins
{
    /// <summary>For an actor system; null where the database is no server that could cancel.</summary>
    /// <param name="database">Of the journal.</param>
    public static MultiDataOptionsSetup? Setup(IJournalDatabase database)
    {
        var setup = new MultiDataOptionsSetup();
        foreach (string plugin in (string[])[JournalPlugins.Shared, JournalPlugins.Writer, JournalPlugins.Snapshots])
        {
            var connection = database.ConnectionOf(plugin);
            if (!connection.IsServer)
                return null;
            setup.AddDataOptions(plugin, Options(connection));
        }

        return setup;
    }

    private static DataOptions Options(JournalConnection connection)
    {
        var options = new DataOptions().UseConnectionFactory(
            PostgreSQLTools.GetDataProvider(PostgreSQLVersion.v15), _ => new FirmConnection(connection.ConnectionString));
        // The plugins look for the name only.
        return options.WithOptions(options.ConnectionOptions with { ProviderName = connection.Provider });
    }
}
