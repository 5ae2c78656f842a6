using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Recovery.Journals;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Recovery.Objects;

/// <summary>Where a repository's objects and record files are found while they are gathered.</summary>
internal interface IItemSource
{
    /// <summary>The file of an object, checked against its name; null when it is not there.</summary>
    string? Object(ObjectName name);

    /// <summary>The file of a record file, checked against its name; null when it is not there.</summary>
    string? Record(string digest);
}

/// <summary>
/// What a store must hold to follow a journal from its first event and to serve its last revision: the rules of a store that starts empty, and
/// what can be reached from the catalogs themselves.
/// </summary>
/// <param name="history">The repository.</param>
/// <param name="scratchFolder">Where catalogs are unpacked.</param>
internal sealed class NeededItems(RepositoryHistory history, string scratchFolder)
{
    private readonly HashSet<ObjectName> _required = [];
    private readonly HashSet<ObjectName> _useful = [];
    private readonly HashSet<string> _records = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];

    /// <summary>Objects without which it is not complete.</summary>
    public IReadOnlySet<ObjectName> Required => _required;

    /// <summary>Objects that are taken where they are there: of paths and catalogs that can still be had back.</summary>
    public IReadOnlySet<ObjectName> Useful => _useful;

    /// <summary>Record files without which it is not complete.</summary>
    public IReadOnlySet<string> Records => _records;

    /// <summary>What was looked into and is not there.</summary>
    public IReadOnlyList<string> Missing => _missing;

    /// <summary>Sealed transactions that are not all here.</summary>
    public int TransactionsLeftOut { get; private set; }

    /// <summary>Gathers everything. Catalogs and record files are read from where <paramref name="source"/> has them.</summary>
    public void Gather(IReadOnlyList<SealedTransaction> undecided, IItemSource source, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(undecided);
        RepositoryState state = history.State;
        if (state.Head is not { } head)
            return;
        HashAlgorithmId algorithm = history.Definition.HashAlgorithm;
        _required.Add(new ObjectName(history.Definition.Certificate, ObjectKind.Certificate));
        _required.Add(new ObjectName(ObjectHasher.Hash(algorithm, ObjectCompression.Empty), ObjectKind.Data));
        // Catalogs first: they are what is replaced most often, and what is taken now is not missed later.
        foreach (ObjectHash root in head.NamedTags.Select(t => t.RootHash).Prepend(head.RootHash).Distinct())
            Walk(root, source, ct);
        foreach (ObjectHash hash in state.KeptByName())
            _useful.UnionWith([new(hash, ObjectKind.Catalog), new(hash, ObjectKind.History), new(hash, ObjectKind.Certificate)]);
        foreach ((Revision revision, EventEffect effect) in history.Revisions)
        {
            ct.ThrowIfCancellationRequested();
            OfRevision(revision, effect, source);
        }

        foreach (RemovedPaths removal in state.Removals)
        {
            if (source.Record(removal.Digest) is { } file)
                AddUseful(PathInfoFile.ReadRemoved(File.OpenRead(file), algorithm, removal.Digest), removal.Digest);
        }

        foreach (SealedTransaction transaction in undecided)
            OfTransaction(transaction, source);
    }

    private void OfRevision(Revision revision, EventEffect effect, IItemSource source)
    {
        if (effect == EventEffect.PassForgotten)
            return;
        _records.UnionWith([revision.PathInfoDigest, revision.DeltaDigest]);
        if (effect == EventEffect.PassRecords)
            return;
        ObjectName[] hot =
        [
            new(revision.Head.RootHash, ObjectKind.Catalog), new(revision.Head.StoreCatalog, ObjectKind.Catalog), new(revision.Head.History, ObjectKind.History),
        ];
        bool withHot = effect != EventEffect.Pass;
        if (withHot)
            _required.UnionWith(hot);
        if (source.Record(revision.DeltaDigest) is not { } file)
        {
            _missing.Add(revision.DeltaDigest);
            return;
        }

        _required.UnionWith(Read(() => DeltaFile.ReadObjects(File.OpenRead(file), revision.DeltaDigest).Select(o => o.Name).Where(o => withHot || !hot.Contains(o)).ToList(), revision.DeltaDigest));
    }

    // A sealed transaction needs all of its bundle, wherever its parts lie; another store may have those this one lacks.
    private void OfTransaction(SealedTransaction transaction, IItemSource source)
    {
        if (source.Record(transaction.BundleDigest) is not { } file)
        {
            TransactionsLeftOut++;
            return;
        }

        List<ObjectName> objects = Read(
            () =>
            {
                using var bundle = new BundleReader(File.OpenRead(file), history.Definition.HashAlgorithm, transaction.BundleDigest);
                return bundle.Paths().SelectMany(p => p.Objects).Select(o => o.Name).Distinct().ToList();
            },
            transaction.BundleDigest);
        if (objects.Any(o => source.Object(o) is null))
        {
            TransactionsLeftOut++;
            return;
        }

        _records.Add(transaction.BundleDigest);
        _required.UnionWith(objects);
    }

    private void Walk(ObjectHash root, IItemSource source, CancellationToken ct)
    {
        var open = new Stack<ObjectName>([new ObjectName(root, ObjectKind.Catalog)]);
        while (open.TryPop(out ObjectName catalog))
        {
            ct.ThrowIfCancellationRequested();
            if (!_required.Add(catalog))
                continue;
            if (source.Object(catalog) is not { } file)
            {
                _missing.Add(catalog.ToString());
                continue;
            }

            foreach (ObjectName name in CatalogObjects.In(file, scratchFolder))
            {
                if (name.Kind == ObjectKind.Catalog)
                    open.Push(name);
                else
                    _required.Add(name);
            }
        }
    }

    private void AddUseful(IEnumerable<PathRecord> paths, string digest) =>
        _useful.UnionWith(Read(() => paths.SelectMany(p => p.Objects).Select(o => o.Name).ToList(), digest));

    private static List<ObjectName> Read(Func<List<ObjectName>> read, string digest)
    {
        try
        {
            return read();
        }
        catch (RecordFormatException e)
        {
            throw new RecoveryException(RecoveryCodes.StoreDamaged, $"The record file {digest} cannot be read: {e.Message}", digest, "let the store be scrubbed with repair, then try again", e);
        }
    }
}
