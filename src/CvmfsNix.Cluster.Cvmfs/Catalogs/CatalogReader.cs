namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

public sealed class CatalogReader : IDisposable
{
    public CatalogProperties Properties => throw new NotImplementedException();

    public CatalogStatistics Statistics => throw new NotImplementedException();

    public int SchemaRevision => throw new NotImplementedException();

    public static CatalogReader Open(string file, bool deleteOnClose = false) => throw new NotImplementedException();

    public CatalogEntry? Find(RepositoryPath path) => throw new NotImplementedException();

    public IEnumerable<CatalogEntry> List(RepositoryPath directory) => throw new NotImplementedException();

    public IEnumerable<CatalogEntry> All() => throw new NotImplementedException();

    public IReadOnlyList<NestedCatalog> Nested() => throw new NotImplementedException();

    public NestedCatalog? FindNested(RepositoryPath exact) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
