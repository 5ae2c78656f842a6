namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>An inflated catalog file, opened for checking. Not thread-safe.</summary>
public sealed class CatalogView : IDisposable
{
    private CatalogView()
    {
    }

    /// <summary>Opens a file that nobody changes meanwhile.</summary>
    /// <param name="file">Path of the SQLite file.</param>
    /// <param name="deleteOnClose">Remove the file on <see cref="Dispose"/>, and when opening fails.</param>
    /// <exception cref="UnreadableDatabaseException">It cannot be read; says by which rule.</exception>
    public static CatalogView Open(string file, bool deleteOnClose = false) => throw new NotSupportedException();

    /// <summary>Opens the bytes of a catalog, by way of a private file.</summary>
    /// <exception cref="UnreadableDatabaseException">They cannot be read; says by which rule.</exception>
    public static CatalogView FromBytes(ReadOnlySpan<byte> bytes) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
