using CvmfsNix.Cluster.Actors.Administration.Audit;
using CvmfsNix.Cluster.Actors.Administration.Tokens;

namespace CvmfsNix.Cluster.Actors.Administration.Tables;

/// <summary>All tables beside the journal.</summary>
internal static class SideTables
{
    /// <summary>Statements that make them in a database; harmless to repeat.</summary>
    public static IEnumerable<string> Schema(ISideDatabase database)
    {
        ArgumentNullException.ThrowIfNull(database);
        return database.Schema(AuditTable.Definition).Concat(database.Schema(TokenTable.Definition));
    }
}
