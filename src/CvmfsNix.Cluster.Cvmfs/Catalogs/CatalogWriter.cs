namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

public sealed class CatalogWriter : IDisposable
{
    public CatalogProperties Properties => throw new NotImplementedException();

    public CatalogStatistics Statistics => throw new NotImplementedException();

    /// <summary>Bytes of the catalog file as <see cref="ToBytes"/> and <see cref="WriteTo"/> give it.</summary>
    public long FileSize => throw new NotImplementedException();

    public static CatalogWriter Create(CatalogProperties properties, int pageSize = 1024) => throw new NotImplementedException();

    public static CatalogWriter OpenCopy(string existingFile) => throw new NotImplementedException();

    public void Insert(CatalogEntry entry) => throw new NotImplementedException();

    public void Replace(CatalogEntry entry) => throw new NotImplementedException();

    public bool Remove(RepositoryPath path) => throw new NotImplementedException();

    public CatalogEntry? Find(RepositoryPath path) => throw new NotImplementedException();

    public bool Contains(RepositoryPath path) => throw new NotImplementedException();

    public IEnumerable<CatalogEntry> List(RepositoryPath directory) => throw new NotImplementedException();

    public void SetNested(NestedCatalog nested) => throw new NotImplementedException();

    public bool RemoveNested(RepositoryPath path) => throw new NotImplementedException();

    public NestedCatalog? FindNested(RepositoryPath path) => throw new NotImplementedException();

    public IReadOnlyList<NestedCatalog> Nested() => throw new NotImplementedException();

    public void SetProperties(CatalogProperties properties) => throw new NotImplementedException();

    public void SetSubtree(CatalogCounts counts) => throw new NotImplementedException();

    public void Begin() => throw new NotImplementedException();

    public void Commit() => throw new NotImplementedException();

    public void Rollback() => throw new NotImplementedException();

    public byte[] ToBytes() => throw new NotImplementedException();

    public void WriteTo(Stream destination) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
