using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>Chunk rows and the files they belong to.</summary>
internal static class ChunkRules
{
    private const int OwnersShown = 1000;

    /// <summary>Checks the chunk rows of a chunked file and tells which objects they need.</summary>
    public static void CheckFile(CatalogScope scope, RepositoryPath path, CatalogRow row, Action<ObjectReference>? needs)
    {
        string? fault = LayoutFault(scope.Tables, row);
        if (fault is not null)
            scope.Report(VerifyRules.ChunkLayout, path.ToString(), fault);
        bool hashIsReported = false;
        using Statement chunks = scope.Tables.Chunks(row.Key);
        while (chunks.Step())
        {
            byte[]? hash = chunks.IsNull(2) ? null : chunks.Bytes(2).ToArray();
            string? hashFault = hash is null ? "The hash is NULL." : RowRules.HashFault(hash, chunks.IsBlob(2));
            if (hashFault is not null)
            {
                if (!hashIsReported)
                    scope.Report(VerifyRules.ChunkHash, path.ToString(), $"The chunk at {chunks.Integer(0)}: {hashFault}");
                hashIsReported = true;
                continue;
            }

            if (needs is null || row.IsExternal || row.Algorithm is not { } algorithm || row.Compression > 1)
                continue;
            long size = fault is null ? chunks.Integer(1) : ObjectReference.SizeUnknown;
            needs(new ObjectReference(new ObjectName(new ObjectHash(algorithm, hash), ObjectKind.Chunk), (CompressionAlgorithm)row.Compression, size, path));
        }
    }

    /// <summary>Reports chunk rows that belong to no file, or to one that is not chunked.</summary>
    public static void CheckOwners(CatalogScope scope)
    {
        using Statement rows = scope.Tables.Database.Rent(
            $"""
            SELECT ch.md5path_1, ch.md5path_2, count(*), min(c.rowid) FROM chunks ch LEFT JOIN catalog c ON c.md5path_1=ch.md5path_1 AND c.md5path_2=ch.md5path_2
            WHERE c.rowid IS NULL OR (c.flags & {CatalogRow.FlagChunked})=0 OR (c.mode & {CatalogRow.TypeMask})<>{CatalogRow.TypeRegular}
            GROUP BY ch.md5path_1, ch.md5path_2 LIMIT {OwnersShown}
            """);
        while (rows.Step())
        {
            var key = new RowKey(rows.Integer(0), rows.Integer(1));
            if (scope.UncertainRows.Contains(key) || scope.MissedKeys.Contains(key))
                continue;
            if (rows.IsNull(3))
                scope.Report(VerifyRules.ChunkOwner, null, $"{rows.Integer(2)} chunk rows of the key {key.First}, {key.Last} belong to no row.");
            else
                scope.Report(VerifyRules.ChunkOwner, scope.PathOf(scope.Tables.FindRow(rows.Integer(3))!), $"It has {rows.Integer(2)} chunk rows, but is no file with the flag of a chunked one.");
        }
    }

    private static string? LayoutFault(CatalogTables tables, CatalogRow row)
    {
        long end = 0;
        int count = 0;
        using Statement chunks = tables.Chunks(row.Key);
        while (chunks.Step())
        {
            long offset = chunks.Integer(0), size = chunks.Integer(1);
            if (size <= 0)
                return $"The chunk at {offset} has the size {size}.";
            if (offset != end)
                return offset < end ? $"The chunk at {offset} overlaps the one that ends at {end}." : $"There is no chunk between {end} and {offset}.";
            if (size > row.Size - end)
                return $"The chunk at {offset} of {size} bytes ends behind the file's {row.Size} bytes.";
            end += size;
            count++;
        }

        if (count == 0)
            return "The file is chunked, but has no chunk.";
        return end == row.Size ? null : $"The chunks end at {end} of {row.Size} bytes.";
    }
}
