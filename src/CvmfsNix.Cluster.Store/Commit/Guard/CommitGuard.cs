using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// Looks at a revision before it is appended, by the rules and the code that check published repositories, which share nothing with what built
/// it. What was there before is not looked at again, so it costs what the commit adds:
/// <code>
/// store catalog   rows beyond the marks of before, as a catalog of their own; what they are by the records; the counters' growth
/// nested catalogs read back, all of a small batch and some of a large one; the gateway checks every one when it builds it
/// root catalog    all of it, while it is small; its row, counters and registration of the store catalog
/// tags, manifest  all of them
/// </code>
/// What goes is looked at in the same way, and with what went the catalog must be what it was: for that all rows are read, but not judged again.
/// Once in a while the stored store catalog is read whole.
/// </summary>
internal sealed partial class CommitGuard(RepositoryFormat format, IObjectStore objects, string workFolder)
{
    /// <summary>A stored store catalog of this many revisions is read whole: that it equals the working file costs in proportion to the repository.</summary>
    public const ulong WholeEvery = 256;

    private const long RootBytesMax = 4L << 20;
    private const long TagBytesMax = 64L << 20;
    private const int HeaderBytes = 100;

    private readonly RepositoryPath _storeRoot = format.StoreRoot;

    /// <summary>Checks a revision whose objects are all durable.</summary>
    /// <param name="head">What it follows.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="storeFile">The working store catalog, closed for edits.</param>
    /// <param name="before">Its marks before the first edit.</param>
    /// <param name="expected">What the batch's records promise.</param>
    /// <param name="certificate">Of the repository.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommitNotValidException">It must not be appended.</exception>
    public void Check(
        RepositoryHead head, CommittedRevision revision, string storeFile, CatalogMarks before, DeltaExpectation expected, RepositoryCertificate certificate, CancellationToken cancellationToken)
    {
        RepositoryHead next = revision.Head;
        Require(next.Revision == head.Next, VerifyRules.ManifestRevision, "revision", $"Revision {next.Revision} follows {head.Revision}.");
        Require(next.PublishedAt >= head.ManifestAt, VerifyRules.ManifestTime, "manifest", $"It is of {next.PublishedAt:u}, earlier than {head.ManifestAt:u} before it.");
        Require(next.Paths == head.Paths + expected.Paths, GuardRules.Delta, _storeRoot.ToString(), $"It counts {next.Paths} paths; {head.Paths} were there and {expected.Paths} come.");
        CheckManifest(next, revision.SignedManifest, certificate);
        CheckTags(next);
        CheckPresent(next, revision.Made);
        AddedRows added = CheckStore(next, storeFile, before, expected, cancellationToken);
        CheckRoot(next, added.Root, added.After.Self.Plus(added.After.Subtree), cancellationToken);
        CheckStoredHeader(next);
        if (next.Revision % WholeEvery == 0)
            CheckWhole(new ObjectName(next.StoreCatalog, ObjectKind.Catalog), next.StoreCatalogSize, _storeRoot, next, cancellationToken);
        Grown(head, next, added.Whole);
    }

    /// <summary>Checks a first revision, all of it.</summary>
    /// <exception cref="CommitNotValidException">It must not be appended.</exception>
    public void CheckInitial(CommittedRevision revision, RepositoryCertificate certificate, CancellationToken cancellationToken)
    {
        CheckManifest(revision.Head, revision.SignedManifest, certificate);
        CheckTags(revision.Head);
        CheckPresent(revision.Head, revision.Made);
        CatalogSummary store = CheckWhole(
            new ObjectName(revision.Head.StoreCatalog, ObjectKind.Catalog), revision.Head.StoreCatalogSize, _storeRoot, revision.Head, cancellationToken);
        CheckRoot(revision.Head, store.RootRow, store.Self!.Plus(store.Subtree!), cancellationToken);
    }

    /// <summary>Checks the newest revision with other tags.</summary>
    /// <param name="head">Before the change.</param>
    /// <param name="tags">After it.</param>
    /// <param name="certificate">Of the repository.</param>
    /// <exception cref="CommitNotValidException">It must not be appended.</exception>
    public void CheckTagged(RepositoryHead head, CommittedTags tags, RepositoryCertificate certificate)
    {
        RepositoryHead next = tags.Head;
        Require(
            next.Revision == head.Revision && next.RootHash == head.RootHash && next.RootSize == head.RootSize && next.StoreCatalog == head.StoreCatalog
                && next.PublishedAt == head.PublishedAt && next.Paths == head.Paths && Equals(next.Previous, head.Previous),
            GuardRules.Head, "tags", "A change of tags changes nothing else.");
        Require(next.ManifestAt >= head.ManifestAt, VerifyRules.ManifestTime, "manifest", $"It is of {next.ManifestAt:u}, earlier than {head.ManifestAt:u} before it.");
        CheckManifest(next, tags.SignedManifest, certificate);
        CheckTags(next);
        CheckPresent(next, []);
        HashSet<ObjectHash> needed = [next.RootHash, next.StoreCatalog, next.History, .. next.NamedTags.Select(t => t.RootHash)];
        if (next.Previous is { } previous)
            needed.Add(previous.RootHash);
        Require(!tags.Superseded.Any(o => needed.Contains(o.Hash)), GuardRules.Head, "tags", "What is needed is called superseded.");
    }

    private void CheckManifest(RepositoryHead next, ReadOnlyMemory<byte> manifest, RepositoryCertificate certificate)
    {
        const string file = ".cvmfspublished";
        SignedManifest signed;
        try
        {
            signed = Manifest.ParseSigned(manifest);
        }
        catch (ManifestFormatException e)
        {
            throw new CommitNotValidException(VerifyRules.ManifestFormat, file, e.Message);
        }

        Manifest m = signed.Manifest;
        Require(signed.Verify(certificate), VerifyRules.ManifestSignature, file, "The signature is not one of the repository's certificate.");
        Require(m.RepositoryName == format.Repository, VerifyRules.ManifestName, file, $"It names {m.RepositoryName}.");
        Require(m.Revision == next.Revision, VerifyRules.ManifestRevision, file, $"It says revision {m.Revision}, the commit is revision {next.Revision}.");
        Require(m.PublishedAt == next.ManifestAt, VerifyRules.ManifestTime, file, $"It says {m.PublishedAt:u}, the commit is of {next.ManifestAt:u}.");
        Require(m.TtlSeconds == format.TtlSeconds, VerifyRules.ManifestTtl, file, $"It says {m.TtlSeconds} s, the repository's is {format.TtlSeconds} s.");
        Require(
            m.RootHash == next.RootHash && m.RootSize == next.RootSize && m.History == next.History, GuardRules.Head, file, "Root catalog, its size or the tag database are not those of the commit.");
        Require(!objects.FindMissing([new ObjectName(m.Certificate, ObjectKind.Certificate)]).Any(), VerifyRules.ObjectMissing, file, $"The certificate {m.Certificate} is not in the store.");
    }

    private void CheckPresent(RepositoryHead next, IReadOnlyList<ObjectName> made)
    {
        ObjectName[] own =
        [
            new(next.RootHash, ObjectKind.Catalog), new(next.StoreCatalog, ObjectKind.Catalog), new(next.History, ObjectKind.History), .. made,
        ];
        if (objects.FindMissing(own) is { Count: > 0 } missing)
            throw new CommitNotValidException(VerifyRules.ObjectMissing, missing[0].ToString(), "It is not in the store.");
    }

    private void CheckTags(RepositoryHead next)
    {
        var name = new ObjectName(next.History, ObjectKind.History);
        string file = Inflate(name, TagBytesMax);
        try
        {
            Dictionary<string, RepositoryTag> tags = TagDatabase.Read(file).ToDictionary(t => t.Name, StringComparer.Ordinal);
            RequireTag(tags, new RepositoryTag("trunk", next.RootHash, next.Revision, next.PublishedAt, next.RootSize, ""), name);
            IEnumerable<RepositoryTag> others = next.Previous is { } previous ? [previous, .. next.NamedTags] : next.NamedTags;
            foreach (RepositoryTag tag in others)
                RequireTag(tags, tag, name);
            Require(tags.Count == others.Count() + 1, VerifyRules.TagEntry, name.ToString(), $"It holds {tags.Count} tags instead of {others.Count() + 1}.");
        }
        catch (TagDatabaseFormatException e)
        {
            throw new CommitNotValidException(VerifyRules.TagDatabase, name.ToString(), e.Message);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void RequireTag(Dictionary<string, RepositoryTag> tags, RepositoryTag wanted, ObjectName database) => Require(
        tags.TryGetValue(wanted.Name, out RepositoryTag? tag) && tag.RootHash == wanted.RootHash && tag.Revision == wanted.Revision && tag.RootSize == wanted.RootSize,
        wanted.Name == "trunk" ? VerifyRules.TagTrunk : VerifyRules.TagEntry,
        database.ToString(),
        $"The tag {wanted.Name} is not there, or not of revision {wanted.Revision} with root {wanted.RootHash}.");

    private AddedRows CheckStore(
        RepositoryHead next, string storeFile, CatalogMarks before, DeltaExpectation expected, CancellationToken cancellationToken)
    {
        var context = new CatalogContext(_storeRoot, next.StoreCatalog);
        string file = Path.Combine(workFolder, $"guard-{Guid.NewGuid():N}.sqlite");
        AddedRows added;
        CatalogSummary summary;
        try
        {
            long length = new FileInfo(storeFile).Length;
            Require(length == next.StoreCatalogSize, VerifyRules.CatalogSize, _storeRoot.ToString(), $"The catalog has {length} bytes, the commit says {next.StoreCatalogSize}.");
            added = DeltaCatalog.Write(file, storeFile, before, format);
            using CatalogView view = OpenView(file, context);
            summary = Check(view, context, cancellationToken);
        }
        catch (SqliteException e) when (e.SqliteErrorCode is not (SQLitePCL.raw.SQLITE_FULL or SQLitePCL.raw.SQLITE_IOERR or SQLitePCL.raw.SQLITE_CANTOPEN))
        {
            throw new CommitNotValidException(VerifyRules.CatalogDatabase, _storeRoot.ToString(), e.Message);
        }
        finally
        {
            File.Delete(file);
        }

        CheckProperties(summary, next, context);
        Require(
            added.Rows.Equals(expected.Rows), GuardRules.Delta, _storeRoot.ToString(),
            $"The catalog gained {added.Rows.Count} rows, the batch brings {expected.Rows.Count}{(added.Rows.Count == expected.Rows.Count ? ", but others" : "")}.");
        Report(TransitionRules.CompareCounters(summary.Subtree!, GuardSql.Counters(expected.NestedTotal), context));
        CheckNested(expected, summary, cancellationToken);
        return added;
    }

    private void CheckNested(DeltaExpectation expected, CatalogSummary delta, CancellationToken cancellationToken)
    {
        Dictionary<RepositoryPath, TransitionRow> rows = [];
        HashSet<RepositoryPath> picked = [.. expected.Picked.Select(p => p.Path)];
        foreach (NestedReference nested in delta.Nested.Where(n => picked.Contains(n.Path)))
            rows.Add(nested.Path, nested.Row);
        foreach ((RepositoryPath path, NestedCatalogRecord record) in expected.Picked)
        {
            var name = new ObjectName(record.Hash, ObjectKind.Catalog);
            // A leader need not hold what other stores have confirmed; there it was checked when it was built.
            if (!objects.Contains(name))
                continue;
            var context = new CatalogContext(path, record.Hash);
            CatalogSummary summary = CheckFile(name, record.Size, context, cancellationToken);
            Report(TransitionRules.Compare(rows[path], summary.RootRow!, context));
            Report(TransitionRules.CompareCounters(GuardSql.Counters(record.Total), summary.Self!.Plus(summary.Subtree!), context));
            Require(summary.Nested.Count == 0, VerifyRules.NestedRegistration, path.ToString(), "A store path's catalog has catalogs below it.");
        }
    }

    private void CheckRoot(RepositoryHead next, TransitionRow? storeRow, CounterSet storeTotal, CancellationToken cancellationToken)
    {
        var name = new ObjectName(next.RootHash, ObjectKind.Catalog);
        if (next.RootSize > RootBytesMax)
            return;
        var context = new CatalogContext(RepositoryPath.Root, next.RootHash);
        CatalogSummary summary = CheckFile(name, next.RootSize, context, cancellationToken);
        CheckProperties(summary, next, context);
        Require(summary.TtlSeconds == format.TtlSeconds, VerifyRules.CatalogProperties, "/", $"The property TTL is {summary.TtlSeconds}, the repository's is {format.TtlSeconds}.");
        NestedReference? store = summary.Nested is [var only] && only.Path == _storeRoot ? only : null;
        Require(
            store is not null && store.Hash == next.StoreCatalog && store.Size == next.StoreCatalogSize, VerifyRules.NestedRegistration, _storeRoot.ToString(),
            $"The root catalog does not register {next.StoreCatalog} of {next.StoreCatalogSize} bytes there, and it alone.");
        var storeContext = new CatalogContext(_storeRoot, next.StoreCatalog);
        Require(storeRow is not null, VerifyRules.RootRow, _storeRoot.ToString(), "The catalog has no row of its own root.");
        Report(TransitionRules.Compare(store!.Row, storeRow!, storeContext));
        Report(TransitionRules.CompareCounters(summary.Subtree!, storeTotal, context));
    }

    // What was compressed is what was looked at, as far as a first page tells; the rest is told by reading it whole, now and then.
    private void CheckStoredHeader(RepositoryHead next)
    {
        var name = new ObjectName(next.StoreCatalog, ObjectKind.Catalog);
        Span<byte> header = stackalloc byte[HeaderBytes];
        using Stream stored = objects.OpenRead(name) ?? throw new CommitNotValidException(VerifyRules.ObjectMissing, name.ToString(), "It is not in the store.");
        using Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib);
        int read = plain.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        Require(read == HeaderBytes && header.StartsWith("SQLite format 3\0"u8), VerifyRules.CatalogDatabase, name.ToString(), "The stored catalog is no database.");
        Require(header[18] == 1 && header[19] == 1, VerifyRules.CatalogJournalMode, name.ToString(), "The stored catalog is in write-ahead-log format.");
        long bytes = (long)BinaryPrimitives.ReadUInt32BigEndian(header[28..]) * BinaryPrimitives.ReadUInt16BigEndian(header[16..]);
        Require(bytes == next.StoreCatalogSize, GuardRules.Stored, name.ToString(), $"The stored catalog says it has {bytes} bytes, the commit says {next.StoreCatalogSize}.");
    }

    private CatalogSummary CheckWhole(ObjectName name, long size, RepositoryPath path, RepositoryHead next, CancellationToken cancellationToken)
    {
        var context = new CatalogContext(path, name.Hash);
        CatalogSummary summary = CheckFile(name, size, context, cancellationToken);
        CheckProperties(summary, next, context);
        return summary;
    }

    private CatalogSummary CheckFile(ObjectName name, long size, CatalogContext context, CancellationToken cancellationToken)
    {
        string file = Inflate(name, size);
        long length = new FileInfo(file).Length;
        using CatalogView view = OpenView(file, context);
        Require(length == size, VerifyRules.CatalogSize, context.Path.ToString(), $"The catalog has {length} bytes, {size} are registered.");
        CatalogSummary summary = Check(view, context, cancellationToken);
        Require(summary.RootRow is not null && summary.Self is not null && summary.Subtree is not null, VerifyRules.RootRow, context.Path.ToString(), "The catalog has no root row, or not all counters.");
        return summary;
    }

    private static CatalogView OpenView(string file, CatalogContext context)
    {
        try
        {
            return CatalogView.Open(file, deleteOnClose: true);
        }
        catch (UnreadableDatabaseException e)
        {
            throw new CommitNotValidException(e.Rule, context.Path.ToString(), e.Message);
        }
    }

    private static CatalogSummary Check(CatalogView view, CatalogContext context, CancellationToken cancellationToken)
    {
        Finding? first = null;
        CatalogSummary summary = CatalogRules.Check(view, context, finding => first ??= finding, cancellationToken: cancellationToken);
        Report(first);
        return summary;
    }

    private static void CheckProperties(CatalogSummary summary, RepositoryHead next, CatalogContext context)
    {
        string path = context.Path.ToString();
        Require(summary.Revision == next.Revision, VerifyRules.CatalogProperties, path, $"The property revision is {summary.Revision}, the commit is revision {next.Revision}.");
        Require(
            summary.LastModified == next.PublishedAt.ToUnixTimeSeconds(), VerifyRules.CatalogProperties, path,
            $"The property last_modified is {summary.LastModified}, the commit is of {next.PublishedAt.ToUnixTimeSeconds()}.");
        Require(summary.PreviousRevision is null, VerifyRules.PreviousRevision, path, $"The property previous_revision is {summary.PreviousRevision}; superseded catalogs are collected.");
    }

    // At most one byte more than wanted: then it is too long, whatever follows.
    private string Inflate(ObjectName name, long bytesMax)
    {
        using Stream stored = objects.OpenRead(name) ?? throw new CommitNotValidException(VerifyRules.ObjectMissing, name.ToString(), "It is not in the store.");
        string file = Path.Combine(workFolder, $"guard-{Guid.NewGuid():N}.plain");
        try
        {
            using var hasher = new ObjectHasher(name.Hash.Algorithm);
            using (var copy = new FileStream(file, FileMode.CreateNew, FileAccess.Write))
            {
                using Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib, leaveOpen: true);
                var buffer = new byte[64 * 1024];
                for (int read; copy.Length <= bytesMax && (read = plain.Read(buffer)) > 0;)
                    copy.Write(buffer, 0, read);
            }

            stored.Position = 0;
            var block = new byte[64 * 1024];
            for (int read; (read = stored.Read(block)) > 0;)
                hasher.Append(block.AsSpan(0, read));
            Require(hasher.Finish() == name.Hash, VerifyRules.ObjectDigest, name.ToString(), "Its bytes are not those of its name.");
            return file;
        }
        catch (ObjectCorruptException e)
        {
            File.Delete(file);
            throw new CommitNotValidException(VerifyRules.ObjectInflate, name.ToString(), e.Message);
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    private static void Report(Finding? finding)
    {
        if (finding is not null)
            throw new CommitNotValidException(finding.Rule, finding.Path ?? finding.Object ?? "", finding.Message);
    }

    private static void Require(bool holds, string rule, string path, string message)
    {
        if (!holds)
            throw new CommitNotValidException(rule, path, message);
    }
}
