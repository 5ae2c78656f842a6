using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.NixDatabases;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Commit;

/// <content>The database of Nix in the tree.</content>
internal sealed partial class CommitBuilder
{
    // Equals the working catalogs in what it holds, if not in what of it is stored.
    private NixDatabase? _database;

    /// <summary>When the database that the tree has is to be looked at and brought up to the tree; null = there is nothing to do, or it has none.</summary>
    public TimeSpan? DatabaseDueIn => !format.HasNixDatabase ? null : _database is not { } database ? TimeSpan.Zero : database.Behind ? database.DueIn : null;

    /// <summary>Bytes of the database when it was last stored by this process.</summary>
    public long DatabaseSize => _database?.Size ?? 0;

    /// <summary>What the last storing of the database added to the store, and how long it took.</summary>
    public (long Bytes, TimeSpan Took) DatabaseStored => _database?.LastStored ?? default;

    /// <summary>A revision with the same paths and a database that has all of them; null when it has.</summary>
    public async Task<CommittedRevision?> BuildDatabaseAsync(RepositoryHead head, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!format.HasNixDatabase)
            return null;
        ulong indexed = index.Revision;
        if (indexed != head.Revision)
            throw new IndexBehindException(format.Repository, indexed, head.Revision);
        return (await BuildAllAsync(head, [], CommitRules.None, keys, now, finish: true, cancellationToken).ConfigureAwait(false)).Revision;
    }

    private NixDatabase? OpenDatabase(WorkingCatalogs working, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!format.HasNixDatabase)
            return null;
        // Whoever gives the working catalogs up gives it up, too.
        var derivations = new StoredDerivations(objects, path => working.ReadInline(format.StoreRoot.Combine(path.Value)));
        return _database ??= NixDatabase.Open(
            working.FindInRoot(NixDatabaseTree.File(format)), format, objects, workFolder, derivations, index.Paths, now, cancellationToken);
    }

    private static async Task<IReadOnlyList<ObjectName>> StoreDatabaseAsync(
        NixDatabase database, WorkingCatalogs working, ObjectBatch batch, ulong revision, CancellationToken cancellationToken)
    {
        (CatalogEntry row, IReadOnlyList<ObjectName> made) = await database.StoreAsync(batch, revision, cancellationToken).ConfigureAwait(false);
        working.SetInRoot(row);
        return made;
    }

    // For the first revision: the files, and the objects they consist of.
    private async Task<(List<CatalogEntry> Files, List<ObjectName> Made)> AddDatabaseAsync(ObjectBatch batch, CancellationToken cancellationToken)
    {
        if (!format.HasNixDatabase)
            return ([], []);
        byte[] text = NixDatabaseTree.SchemaText;
        ObjectName schema = await batch.AddAsync(ObjectKind.Data, ObjectCompression.Compress(text, CompressionLevel.Optimal), cancellationToken).ConfigureAwait(false);
        using NixDatabase database = NixDatabase.Create(format, objects, workFolder);
        (CatalogEntry row, IReadOnlyList<ObjectName> made) = await database.StoreAsync(batch, FirstRevision, cancellationToken).ConfigureAwait(false);
        return ([NixDatabaseTree.Row(NixDatabaseTree.SchemaFile(format), text.Length, schema.Hash, [], format.HashAlgorithm), row], [schema, .. made]);
    }
}
