namespace CvmfsNix.Cluster.Replication.Filling;

/// <summary>
/// How far a filling has come. Totals grow while catalogs are read; bytes of what has not come yet are estimated from what catalogs say of
/// the content, which is stored compressed.
/// </summary>
/// <param name="CatalogsDone">Catalogs read.</param>
/// <param name="CatalogsTotal">Catalogs known to be needed that could not be taken for complete.</param>
/// <param name="ObjectsDone">Objects that came.</param>
/// <param name="ObjectsTotal">Objects known to be missing at the start of it.</param>
/// <param name="BytesDone">Bytes that came.</param>
/// <param name="BytesTotal">Bytes expected.</param>
public readonly record struct FillProgress(long CatalogsDone, long CatalogsTotal, long ObjectsDone, long ObjectsTotal, long BytesDone, long BytesTotal)
{
    /// <summary>Objects still to come, as far as is known.</summary>
    public long ObjectsMissing => Math.Max(0, ObjectsTotal - ObjectsDone);

    /// <summary>Bytes still to come, as far as is known.</summary>
    public long BytesMissing => Math.Max(0, BytesTotal - BytesDone);
}
