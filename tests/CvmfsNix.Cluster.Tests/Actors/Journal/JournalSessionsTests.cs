using System.Data.Common;
using Akka.Persistence.Sql.Config;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Tests.Cvmfs;
using LinqToDB;
using LinqToDB.Data;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Journal;

public sealed class JournalSessionsTests
{
    [Theory]
    [InlineData(JournalPlugins.Shared)]
    [InlineData(JournalPlugins.Writer)]
    [InlineData(JournalPlugins.Snapshots)]
    [InlineData("akka.persistence.query.journal.sql")]
    public void Sessions_of_a_file_stand_in_line_by_the_librarys_own_waiting(string plugin)
    {
        using var folder = new TemporaryFolder();
        MultiDataOptionsSetup setup = JournalSessions.Setup(new SqliteJournal(folder.File("journal.db")));
        Assert.True(setup.TryGetDataOptionsFor(plugin, out DataOptions? options));
        using var session = new DataConnection(options!);
        Assert.Equal(5000L, session.Execute<long>("PRAGMA busy_timeout"));
    }
}
