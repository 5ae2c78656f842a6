using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Rules;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <content>Revisions that are the one before without some paths.</content>
internal sealed partial class CommitGuard
{
    private static readonly byte[] LinksFolder = ".links"u8.ToArray();

    // What the catalog of a revision holds, so that it need not be read before the next removal as well as after it.
    private (ObjectHash Catalog, CatalogFingerprint Rows)? _known;

    /// <summary>Notes what is about to go, before the first edit.</summary>
    /// <param name="head">The revision it goes from.</param>
    /// <param name="storeFile">Its store catalog, closed for edits.</param>
    /// <param name="removed">What is to go.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ExpectedRemoval BeginRemoval(RepositoryHead head, string storeFile, IReadOnlySet<StorePathName> removed, CancellationToken cancellationToken)
    {
        string file = Path.Combine(workFolder, $"guard-{Guid.NewGuid():N}.sqlite");
        try
        {
            CatalogFingerprint all = _known is { } known && known.Catalog == head.StoreCatalog ? known.Rows : CatalogFingerprint.Of(storeFile, format, cancellationToken);
            // Whatever is found, the next one starts from what the file holds then.
            _known = null;
            return new ExpectedRemoval(file, removed, all, DeltaCatalog.BeginRemoved(file, storeFile, removed, format, cancellationToken));
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    /// <summary>Checks a revision whose objects are all durable.</summary>
    /// <param name="head">What it follows.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="storeFile">The working store catalog, closed for edits.</param>
    /// <param name="expected">What was noted before the first edit.</param>
    /// <param name="taken">What the records of the removed paths say of them.</param>
    /// <param name="paths">The paths of the revision before.</param>
    /// <param name="certificate">Of the repository.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommitNotValidException">It must not be appended.</exception>
    public void CheckRemoval(
        RepositoryHead head,
        CommittedRevision revision,
        string storeFile,
        ExpectedRemoval expected,
        DeltaExpectation taken,
        PathIndex paths,
        RepositoryCertificate certificate,
        CancellationToken cancellationToken)
    {
        RepositoryHead next = revision.Head;
        Require(next.Revision == head.Next, VerifyRules.ManifestRevision, "revision", $"Revision {next.Revision} follows {head.Revision}.");
        Require(next.PublishedAt >= head.ManifestAt, VerifyRules.ManifestTime, "manifest", $"It is of {next.PublishedAt:u}, earlier than {head.ManifestAt:u} before it.");
        Require(next.Paths == head.Paths - expected.Removed.Count, GuardRules.Delta, _storeRoot.ToString(), $"It counts {next.Paths} paths; {head.Paths} were there and {expected.Removed.Count} go.");
        CheckManifest(next, revision.SignedManifest, certificate);
        CheckTags(next);
        CheckPresent(next, revision.Made);
        (CatalogMarks after, TransitionRow? root) = CheckGone(next, storeFile, expected, taken, cancellationToken);
        CheckRoot(next, root, after.Self.Plus(after.Subtree), cancellationToken);
        CheckStoredHeader(next);
        CheckReferences(expected.Removed, paths, cancellationToken);
        if (next.Revision % WholeEvery != 0)
            return;
        var name = new ObjectName(next.StoreCatalog, ObjectKind.Catalog);
        CheckWhole(name, next.StoreCatalogSize, _storeRoot, next, cancellationToken);
        CheckLeft(name, expected.Removed, paths, cancellationToken);
    }

    // What went is a catalog that keeps every rule, and with it the rest is what it was, column by column.
    private (CatalogMarks After, TransitionRow? Root) CheckGone(RepositoryHead next, string storeFile, ExpectedRemoval expected, DeltaExpectation taken, CancellationToken cancellationToken)
    {
        var context = new CatalogContext(_storeRoot, next.StoreCatalog);
        try
        {
            long length = new FileInfo(storeFile).Length;
            Require(length == next.StoreCatalogSize, VerifyRules.CatalogSize, _storeRoot.ToString(), $"The catalog has {length} bytes, the commit says {next.StoreCatalogSize}.");
            (CatalogMarks after, TransitionRow? root) = DeltaCatalog.EndRemoved(expected.File, storeFile, expected.Rows.Before, format);
            using CatalogView view = OpenView(expected.File, context);
            CatalogSummary summary = Check(view, context, cancellationToken);
            CheckProperties(summary, next, context);
            Require(
                expected.Rows.Rows.Equals(taken.Rows), GuardRules.Delta, _storeRoot.ToString(),
                $"{expected.Rows.Rows.Count} rows are of the removed paths, their records tell of {taken.Rows.Count}{(expected.Rows.Rows.Count == taken.Rows.Count ? ", but others" : "")}.");
            Report(TransitionRules.CompareCounters(summary.Subtree!, GuardSql.Counters(taken.NestedTotal), context));
            CatalogFingerprint left = CatalogFingerprint.Of(storeFile, format, cancellationToken);
            Require(left + expected.Rows.Whole == expected.All, GuardRules.Delta, _storeRoot.ToString(), "Other rows went, or were changed, than those of the removed paths.");
            _known = (next.StoreCatalog, left);
            return (after, root);
        }
        catch (SqliteException e) when (e.SqliteErrorCode is not (SQLitePCL.raw.SQLITE_FULL or SQLitePCL.raw.SQLITE_IOERR or SQLitePCL.raw.SQLITE_CANTOPEN))
        {
            throw new CommitNotValidException(VerifyRules.CatalogDatabase, _storeRoot.ToString(), e.Message);
        }
    }

    private void Grown(RepositoryHead head, RepositoryHead next, CatalogFingerprint added) =>
        _known = _known is { } known && known.Catalog == head.StoreCatalog ? (next.StoreCatalog, known.Rows + added) : null;

    // Every path that stays has all it needs.
    private static void CheckReferences(IReadOnlySet<StorePathName> removed, PathIndex paths, CancellationToken cancellationToken)
    {
        var names = removed.Select(r => r.Value).ToHashSet(StringComparer.Ordinal);
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> gone = names.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((string path, string references) in paths.Needing(cancellationToken))
        {
            if (names.Contains(path))
                continue;
            foreach (Range reference in references.AsSpan().Split(' '))
                Require(!gone.Contains(references.AsSpan(reference)), GuardRules.Delta, path, $"It needs {references[reference]}, which goes.");
        }
    }

    // Both in the order of names, so neither is held in memory.
    private void CheckLeft(ObjectName catalog, IReadOnlySet<StorePathName> removed, PathIndex paths, CancellationToken cancellationToken)
    {
        string file = Inflate(catalog, long.MaxValue);
        try
        {
            using CatalogReader reader = CatalogReader.Open(file);
            using IEnumerator<string> rows = reader.List(_storeRoot)
                .Where(e => !e.Path.Name.Span.SequenceEqual(TreeRules.Marker) && !(format.HasNixDatabase && e.Path.Name.Span.SequenceEqual(LinksFolder)))
                .Select(e => System.Text.Encoding.UTF8.GetString(e.Path.Name.Span))
                .GetEnumerator();
            foreach ((StorePathName path, _, _, _) in paths.Facts())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!removed.Contains(path))
                    Require(rows.MoveNext() && rows.Current == path.Value, GuardRules.Delta, path.Value, "The path was to stay and is not in the catalog, or another one is in its place.");
            }

            Require(!rows.MoveNext(), GuardRules.Delta, _storeRoot.ToString(), "The catalog holds a path that was to go.");
        }
        finally
        {
            File.Delete(file);
        }
    }
}

/// <summary>What a removal has to come to, noted before its first edit; holds a file until it is disposed.</summary>
/// <param name="File">A catalog of what is to go, not finished.</param>
/// <param name="Removed">The paths that are to go.</param>
/// <param name="All">All rows of the catalog before.</param>
/// <param name="Rows">Those that are to go.</param>
internal sealed record ExpectedRemoval(string File, IReadOnlySet<StorePathName> Removed, CatalogFingerprint All, RemovedRows Rows) : IDisposable
{
    public void Dispose() => System.IO.File.Delete(File);
}
