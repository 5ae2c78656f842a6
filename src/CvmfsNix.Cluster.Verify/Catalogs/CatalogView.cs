using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>An inflated catalog file, opened for checking: a sound database in the right format; of its content nothing is known yet. Not thread-safe.</summary>
public sealed class CatalogView : IDisposable
{
    private readonly string? _deleteOnClose;

    private CatalogView(Database database, string? deleteOnClose)
    {
        Database = database;
        _deleteOnClose = deleteOnClose;
    }

    internal Database Database { get; }

    /// <summary>Opens a file that nobody changes meanwhile.</summary>
    /// <param name="file">Path of the SQLite file.</param>
    /// <param name="deleteOnClose">Remove the file on <see cref="Dispose"/>, and when opening fails.</param>
    /// <exception cref="UnreadableDatabaseException">It cannot be read; says by which rule.</exception>
    public static CatalogView Open(string file, bool deleteOnClose = false)
    {
        ArgumentNullException.ThrowIfNull(file);
        try
        {
            Database database = Database.OpenForeign(
                file,
                what => new UnreadableDatabaseException(VerifyRules.CatalogDatabase, $"The catalog is no sound database: {what}."),
                what => new UnreadableDatabaseException(VerifyRules.CatalogJournalMode, $"The catalog cannot be opened by clients: {what}."));
            return new CatalogView(database, deleteOnClose ? file : null);
        }
        catch
        {
            if (deleteOnClose)
                File.Delete(file);
            throw;
        }
    }

    /// <summary>Opens the bytes of a catalog, by way of a private file.</summary>
    /// <exception cref="UnreadableDatabaseException">They cannot be read; says by which rule.</exception>
    public static CatalogView FromBytes(ReadOnlySpan<byte> bytes)
    {
        string file = Path.Combine(Path.GetTempPath(), $"cvmfs-verify-{Guid.NewGuid():N}.catalog");
        try
        {
            File.WriteAllBytes(file, bytes);
            return Open(file, deleteOnClose: true);
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Database.Dispose();
        if (_deleteOnClose is not null)
            File.Delete(_deleteOnClose);
    }
}
