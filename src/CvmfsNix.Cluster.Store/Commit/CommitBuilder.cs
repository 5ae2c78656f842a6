using System.Collections;
using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.NixDatabases;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>
/// Builds revisions: decides a batch, edits the working catalogs, stores them with the tag database and the record files, signs the manifest.
/// Nothing it does is visible: what is not appended to the journal is garbage. One caller at a time.
/// </summary>
internal sealed partial class CommitBuilder(RepositoryFormat format, IObjectStore objects, BlobFolder blobs, RepositoryIndex index, string workFolder) : IDisposable
{
    private const string Trunk = "trunk";
    private const string TrunkPrevious = "trunk-previous";
    private const ulong FirstRevision = 1;
    private const int CheckedAtOnce = 4096;

    private readonly CommitGuard _guard = new(format, objects, workFolder);
    private readonly Revival _revival = new(format, objects, blobs);
    private WorkingCatalogs? _working;

    /// <summary>Whether every object of a new path must be in the own store before a revision is made of it.</summary>
    public bool RequireObjects { get; set; } = true;

    /// <summary>Whether a revision is checked before it is handed out; only a measurement of what that costs turns it off.</summary>
    public bool Guarded { get; set; } = true;

    /// <summary>Adds the repository's own signature to a registration that lacks it.</summary>
    public Func<PathInfo, PathInfo> Certify { get; set; } = static info => info;

    /// <summary>Those of the given signatures that a path has not yet and may get.</summary>
    public Func<PathInfo, IReadOnlyList<string>, IReadOnlyList<string>> NewSignatures { get; set; } = static (there, given) => [.. given.Except(there.Signatures)];

    /// <summary>For tests: gets the file of each catalog after its edits, before it is stored.</summary>
    public Action<string>? BeforeStored { get; set; }

    public async Task<CommittedRevision> BuildInitialAsync(RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        DateTimeOffset at = WholeSeconds(now);
        await using ObjectBatch batch = objects.BeginBatch();
        DeltaObject[] fixedObjects = await AddFixedAsync(batch, keys, cancellationToken).ConfigureAwait(false);
        (List<CatalogEntry> files, List<ObjectName> made) = await AddDatabaseAsync(batch, cancellationToken).ConfigureAwait(false);
        HotCatalogs catalogs = await InitialCatalogs
            .StoreAsync(format, batch, FirstRevision, at, files, files.Count == 0 ? [] : NixDatabaseTree.Folders(format), cancellationToken).ConfigureAwait(false);
        var revision = new Draft(FirstRevision, at, catalogs, null, [], 0);
        DeltaObject tags = await AddTagsAsync(batch, revision, cancellationToken).ConfigureAwait(false);
        string infos = await blobs.PutAsync(
            stream =>
            {
                PathInfoFile.Write(stream, []);
                return Task.CompletedTask;
            },
            cancellationToken).ConfigureAwait(false);
        string delta = await blobs.PutAsync(
            stream =>
            {
                var file = new DeltaFileWriter(stream);
                foreach (DeltaObject o in (DeltaObject[])[.. fixedObjects, catalogs.Store, catalogs.Root, tags])
                    file.Write(o);
                file.Finish();
                return Task.CompletedTask;
            },
            cancellationToken).ConfigureAwait(false);
        await CompleteAsync(batch, cancellationToken).ConfigureAwait(false);
        CommittedRevision initial = Sign(revision, fixedObjects, tags, keys, infos, delta, [], []) with { Made = made };
        if (Guarded)
            _guard.CheckInitial(initial, keys.Certificate, cancellationToken);
        return initial;
    }

    public async Task<PreparedCommit> BuildAsync(
        RepositoryHead head, IReadOnlyList<CommitMember> members, CommitRules rules, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ulong indexed = index.Revision;
        if (indexed != head.Revision)
            throw new IndexBehindException(format.Repository, indexed, head.Revision);

        Revived? revived = await _revival.BringBackAsync(members, rules, index.Paths, cancellationToken).ConfigureAwait(false);
        try
        {
            // What comes back is one member more, whose decision is nobody's answer.
            IReadOnlyList<CommitMember> all = revived is null ? members : [.. members, new CommitMember(Revival.Transaction, revived.Digest)];
            PreparedCommit prepared = await BuildAllAsync(head, all, rules, keys, now, finish: false, cancellationToken).ConfigureAwait(false);
            return revived is null ? prepared : prepared with { Outcomes = [.. prepared.Outcomes.Take(members.Count)], Revived = revived.Objects };
        }
        finally
        {
            // All of it is in the revision's own record files now.
            if (revived is not null)
                blobs.Delete(revived.Digest);
        }
    }

    private async Task<PreparedCommit> BuildAllAsync(
        RepositoryHead head, IReadOnlyList<CommitMember> members, CommitRules rules, RepositoryKeys keys, DateTimeOffset now, bool finish, CancellationToken cancellationToken)
    {
        var bundles = new Bundles(format, blobs, members);
        Decision[] decisions = Decide(bundles, members.Count, rules, cancellationToken);
        await EnsureWorkingAsync(head, cancellationToken).ConfigureAwait(false);
        try
        {
            return await BuildAsync(head, members, bundles, decisions, keys, now, finish, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Discard();
            throw;
        }
    }

    /// <summary>Does beforehand what the first build after a head does for a large repository: its catalogs are unpacked and looked at. Nothing where the store lacks them.</summary>
    public async Task<bool> WarmAsync(RepositoryHead head, CancellationToken cancellationToken)
    {
        if (objects.FindMissing([new(head.RootHash, ObjectKind.Catalog), new(head.StoreCatalog, ObjectKind.Catalog)]).Any())
            return false;
        await EnsureWorkingAsync(head, cancellationToken).ConfigureAwait(false);
        _working!.Warm();
        return true;
    }

    /// <summary>Throws the working catalogs away; the next build unpacks those of its head.</summary>
    public void Discard()
    {
        _database?.Dispose();
        _database = null;
        _working?.Dispose();
        _working = null;
    }

    public void Dispose() => Discard();

    private async Task<PreparedCommit> BuildAsync(
        RepositoryHead head,
        IReadOnlyList<CommitMember> members,
        Bundles bundles,
        Decision[] decisions,
        RepositoryKeys keys,
        DateTimeOffset now,
        bool finish,
        CancellationToken cancellationToken)
    {
        WorkingCatalogs working = _working!;
        NixDatabase? database = OpenDatabase(working, now, cancellationToken);
        working.BeforeStored = BeforeStored;
        CatalogMarks marks = CatalogMarks.Read(working.StoreFile, format.StoreRoot);
        var expected = new DeltaExpectation(format);
        working.Begin();
        database?.Begin();
        var generations = new List<ProfileGeneration>();
        var withGeneration = new bool[members.Count];
        for (int i = 0; i < members.Count; i++)
        {
            if (decisions[i].Rejection is null && decisions[i].Header.Profile is { } profile && working.SetProfile(profile, decisions[i].Header.ProfileTarget!.Value) is { } generation)
            {
                generations.Add(generation);
                withGeneration[i] = true;
            }
        }

        (SortedDictionary<StorePathName, PathInfo> signed, bool[] withSignatures) = AddSignatures(decisions);
        int fresh = decisions.Sum(d => d.NewCount);
        var bytes = new long[members.Count];
        if (fresh == 0 && generations.Count == 0 && signed.Count == 0 && !(finish && database is { Behind: true }))
        {
            // Nothing was edited; the groups just opened are closed without effect.
            working.Cancel();
            database?.Cancel();
            return new PreparedCommit(Outcomes(), null);
        }

        DateTimeOffset at = WholeSeconds(now) is var whole && whole > head.ManifestAt ? whole : head.ManifestAt;
        ulong number = head.Next;
        await using ObjectBatch batch = objects.BeginBatch();
        DeltaObject[] fixedObjects = await AddFixedAsync(batch, keys, cancellationToken).ConfigureAwait(false);
        Draft? draft = null;
        DeltaObject? tags = null;
        IReadOnlyList<ObjectName> made = [];
        string infos = "";
        string delta = await blobs.PutAsync(
            async deltaStream =>
            {
                await using var deltaBuffer = new BufferedStream(deltaStream, 1 << 16);
                var deltaFile = new DeltaFileWriter(deltaBuffer);
                var collector = new DeltaCollector(deltaFile);
                infos = await blobs.PutAsync(infoStream => AddPathsAsync(infoStream, collector), cancellationToken).ConfigureAwait(false);
                database?.Commit();
                if (database is not null && (finish || database.Due))
                    made = await StoreDatabaseAsync(database, working, batch, number, cancellationToken).ConfigureAwait(false);
                HotCatalogs catalogs = await working.StoreAsync(batch, number, at, cancellationToken).ConfigureAwait(false);
                draft = new Draft(
                    number,
                    at,
                    catalogs,
                    new RepositoryTag(TrunkPrevious, head.RootHash, head.Revision, head.PublishedAt, head.RootSize, "default undo target"),
                    head.NamedTags,
                    head.Paths + fresh);
                tags = await AddTagsAsync(batch, draft, cancellationToken).ConfigureAwait(false);
                foreach (DeltaObject o in (DeltaObject[])[.. fixedObjects, catalogs.Store, catalogs.Root, tags])
                    collector.Add(o);
                deltaFile.Finish();
            },
            cancellationToken).ConfigureAwait(false);
        if (RequireObjects)
            await RequireAsync(delta, [draft!.Catalogs.Root.Name, draft.Catalogs.Store.Name, tags!.Name, .. fixedObjects.Select(o => o.Name)], cancellationToken).ConfigureAwait(false);
        await CompleteAsync(batch, cancellationToken).ConfigureAwait(false);
        CommittedRevision revision = Sign(draft!, fixedObjects, tags!, keys, infos, delta, Superseded(head), generations) with { Made = made };
        if (Guarded)
            _guard.Check(head, revision, working.StoreFile, marks, expected, keys.Certificate, cancellationToken);
        return new PreparedCommit(Outcomes(), revision);

        async Task AddPathsAsync(Stream infoStream, DeltaCollector collector)
        {
            await using var infoBuffer = new BufferedStream(infoStream, 1 << 16);
            var infoFile = new PathInfoFileWriter(infoBuffer);
            int added = 0;
            foreach ((int member, PathRecord record) in bundles.Merge([.. decisions.Select(d => d.New)]))
            {
                cancellationToken.ThrowIfCancellationRequested();
                working.AddPath(record);
                expected.Add(record);
                PathInfo info = Certify(record.Info);
                database?.Add(info, at);
                infoFile.Write(info);
                bytes[member] += collector.Add(record);
                added++;
            }

            if (added != fresh)
                throw new RecordFormatException("bundles of a batch", $"{fresh} paths were planned, {added} were found on the second reading");
            foreach (PathInfo info in signed.Values)
            {
                infoFile.WriteSigned(info);
                database?.Sign(info);
            }

            infoFile.Finish();
        }

        MemberOutcome[] Outcomes()
        {
            var outcomes = new MemberOutcome[members.Count];
            for (int i = 0; i < outcomes.Length; i++)
            {
                Decision decision = decisions[i];
                MemberStatus status = decision.Rejection is not null ? MemberStatus.Rejected
                    : decision.NewCount > 0 || withGeneration[i] || withSignatures[i] ? MemberStatus.Committed
                    : MemberStatus.Unchanged;
                Rejection? r = decision.Rejection;
                outcomes[i] = new MemberOutcome(members[i].Transaction, status, r?.Code, r?.What, r?.Message, r?.Hint, decision.NewCount, decision.Present, decision.ContentKept, bytes[i]);
            }

            return outcomes;
        }
    }

    // Paths that are there and get signatures, with all they have then; and which members give any.
    private (SortedDictionary<StorePathName, PathInfo> Signed, bool[] Members) AddSignatures(Decision[] decisions)
    {
        var signed = new SortedDictionary<StorePathName, PathInfo>();
        var members = new bool[decisions.Length];
        for (int i = 0; i < decisions.Length; i++)
        {
            foreach (PathInfo given in decisions[i].Rejection is null ? decisions[i].Header.Signed : [])
            {
                if ((signed.GetValueOrDefault(given.Path) ?? index.Paths.Find(given.Path)?.Info) is not { } there || there.NarHash != given.NarHash)
                    continue;
                if (NewSignatures(there, given.Signatures) is not { Count: > 0 } more)
                    continue;
                signed[given.Path] = there with { Signatures = [.. there.Signatures, .. more] };
                members[i] = true;
            }
        }

        return (signed, members);
    }

    // What the plan is made from is forgotten with the end of this method: while catalogs are built, a batch of very many paths
    // takes a bit for each of them.
    private Decision[] Decide(Bundles bundles, int count, CommitRules rules, CancellationToken cancellationToken)
    {
        var read = bundles.ReadForPlan(cancellationToken).Select(r => r.Member is { } m && TakenBack(r.Header, m, rules) is { } refused ? (r.Header, null, refused) : r).ToList();
        int[] valid = [.. Enumerable.Range(0, count).Where(i => read[i].Member is not null)];
        PlannedMember[] planned = [.. valid.Select(i => read[i].Member!)];
        using PathLookup committed = index.Paths.OpenLookup();
        IReadOnlyList<MemberPlan> plans = BatchPlanner.Plan(planned, committed.Find);

        var decisions = new Decision[count];
        for (int i = 0; i < count; i++)
            decisions[i] = new Decision(read[i].Header, read[i].Rejection, new BitArray(0), 0, 0, []);
        for (int i = 0; i < valid.Length; i++)
        {
            MemberPlan plan = plans[i];
            decisions[valid[i]] = new Decision(
                read[valid[i]].Header, plan.Rejection, Places(planned[i].Paths, plan.New), plan.New.Count, plan.Present, plan.ContentKept);
        }

        return decisions;
    }

    // A path that is there in spite of its tombstone was published again on purpose; then it is there for all.
    private Rejection? TakenBack(BundleHeader header, PlannedMember member, CommitRules rules)
    {
        if (header.DespiteWithdrawal || rules.Withdrawn.Count == 0)
            return null;
        foreach (PlannedPath path in member.Paths)
        {
            if (rules.Withdrawn.TryGetValue(path.Path, out string? reason) && index.Paths.Find(path.Path) is null)
            {
                return new Rejection(
                    RejectionCodes.PathWithdrawn, path.Path.Value, $"{path.Path} was taken back: {reason}", "Publish with --despite-withdrawal if it is to come back, or build another path.");
            }
        }

        return null;
    }

    // The chosen ones are in the order of all.
    private static BitArray Places(IReadOnlyList<PlannedPath> all, IReadOnlyList<StorePathName> chosen)
    {
        var places = new BitArray(all.Count);
        for (int place = 0, next = 0; next < chosen.Count; place++)
        {
            if (all[place].Path != chosen[next])
                continue;
            places[place] = true;
            next++;
        }

        return places;
    }

    private async Task EnsureWorkingAsync(RepositoryHead head, CancellationToken cancellationToken)
    {
        if (_working is { } working && working.RootHash == head.RootHash && working.StoreHash == head.StoreCatalog)
            return;
        Discard();
        _working = await WorkingCatalogs.OpenAsync(objects, format, head.RootHash, head.StoreCatalog, workFolder, cancellationToken).ConfigureAwait(false)
            ?? throw new IncompleteStoreException(
                format.Repository,
                $"revision {head.Revision}",
                [.. objects.FindMissing([new(head.RootHash, ObjectKind.Catalog), new(head.StoreCatalog, ObjectKind.Catalog)]).Select(o => o.ToString())]);
    }

    // The certificate, and the empty file that every marker of a nested catalog names.
    private static async Task<DeltaObject[]> AddFixedAsync(ObjectBatch batch, RepositoryKeys keys, CancellationToken cancellationToken)
    {
        byte[] certificate = ObjectCompression.CompressClassic(keys.Certificate.Pem);
        byte[] empty = ObjectCompression.Empty.ToArray();
        return
        [
            new DeltaObject(await batch.AddAsync(ObjectKind.Certificate, certificate, cancellationToken).ConfigureAwait(false), certificate.Length),
            new DeltaObject(await batch.AddAsync(ObjectKind.Data, empty, cancellationToken).ConfigureAwait(false), empty.Length),
        ];
    }

    private Task<DeltaObject> AddTagsAsync(ObjectBatch batch, Draft draft, CancellationToken cancellationToken) => AddTagsAsync(
        batch,
        new RepositoryTag(Trunk, draft.Catalogs.Root.Name.Hash, draft.Revision, draft.At, draft.Catalogs.RootSize, "current HEAD"),
        draft.Previous,
        draft.NamedTags,
        cancellationToken);

    private async Task<DeltaObject> AddTagsAsync(ObjectBatch batch, RepositoryTag trunk, RepositoryTag? trunkPrevious, IReadOnlyList<RepositoryTag> named, CancellationToken cancellationToken)
    {
        RepositoryTag[] tags = trunkPrevious is { } previous ? [trunk, previous, .. named] : [trunk, .. named];
        byte[] stored = ObjectCompression.Compress(TagDatabase.Write(format.Repository, tags), CompressionLevel.Optimal);
        return new DeltaObject(await batch.AddAsync(ObjectKind.History, stored, cancellationToken).ConfigureAwait(false), stored.Length);
    }

    private async Task CompleteAsync(ObjectBatch batch, CancellationToken cancellationToken)
    {
        StepProbe.At(StepNames.CatalogsBuilt, format.Repository);
        await batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
        StepProbe.At(StepNames.CatalogsDurable, format.Repository);
    }

    // What clients would be sent to must be there before anybody can be sent. The batch's own objects become visible with its completion.
    private async Task RequireAsync(string delta, HashSet<ObjectName> own, CancellationToken cancellationToken)
    {
        var missing = new List<string>();
        foreach (DeltaObject[] part in DeltaFile.ReadObjects(blobs.OpenRead(delta)!, delta).Chunk(CheckedAtOnce))
        {
            IEnumerable<ObjectName> ofPaths = part.Select(o => o.Name).Where(n => !own.Contains(n));
            missing.AddRange((await objects.ConfirmDurableAsync(ofPaths, cancellationToken).ConfigureAwait(false)).Select(n => n.ToString()));
            if (missing.Count >= IncompleteStoreException.MissingMax)
                break;
        }

        if (missing.Count > 0)
            throw new IncompleteStoreException(format.Repository, "a batch", missing);
    }

    // Clients and replicas need the catalogs of the head, of trunk-previous and of every named tag. The revision that stops being
    // trunk-previous with this commit is needed no longer, nor is the tag database that this commit replaces.
    private List<ObjectName> Superseded(RepositoryHead head)
    {
        var superseded = new List<ObjectName> { new(head.History, ObjectKind.History) };
        if (head.CommittedHistory is { } committed)
            superseded.Add(new ObjectName(committed, ObjectKind.History));
        if (head.Previous is not { } old || head.NamedTags.Any(t => t.RootHash == old.RootHash))
            return superseded;
        superseded.AddRange(CatalogsOf(old.RootHash));
        return superseded;
    }

    // A root catalog and the catalog of the store directory that it names.
    private IEnumerable<ObjectName> CatalogsOf(ObjectHash rootHash)
    {
        var root = new ObjectName(rootHash, ObjectKind.Catalog);
        return CatalogFile.NestedIn(objects, root, format.StoreRoot, workFolder) is { } store ? [root, store] : [root];
    }

    private CommittedRevision Sign(
        Draft draft,
        DeltaObject[] fixedObjects,
        DeltaObject tags,
        RepositoryKeys keys,
        string infos,
        string delta,
        IReadOnlyList<ObjectName> superseded,
        IReadOnlyList<ProfileGeneration> generations)
    {
        ReadOnlyMemory<byte> signed = Sign(
            draft.Catalogs.Root.Name.Hash, draft.Catalogs.RootSize, draft.Revision, fixedObjects[0].Name.Hash, tags.Name.Hash, draft.At, keys);
        var head = new RepositoryHead
        {
            Revision = draft.Revision,
            RootHash = draft.Catalogs.Root.Name.Hash,
            RootSize = draft.Catalogs.RootSize,
            StoreCatalog = draft.Catalogs.Store.Name.Hash,
            StoreCatalogSize = draft.Catalogs.StoreSize,
            History = tags.Name.Hash,
            PublishedAt = draft.At,
            Previous = draft.Previous,
            NamedTags = draft.NamedTags,
            Paths = draft.Paths,
        };
        ObjectName[] own = [.. fixedObjects.Select(o => o.Name), draft.Catalogs.Root.Name, draft.Catalogs.Store.Name, tags.Name];
        if (objects.FindMissing(own) is { Count: > 0 } missing)
            throw new IncompleteStoreException(format.Repository, $"revision {draft.Revision}", [.. missing.Select(o => o.ToString())]);
        return new CommittedRevision(head, signed, infos, delta, superseded, generations) { CatalogBytes = draft.Catalogs.Root.StoredSize + draft.Catalogs.Store.StoredSize };
    }

    private ReadOnlyMemory<byte> Sign(ObjectHash root, long rootSize, ulong revision, ObjectHash certificate, ObjectHash history, DateTimeOffset at, RepositoryKeys keys)
    {
        var manifest = new Manifest
        {
            RootHash = root,
            RootSize = rootSize,
            TtlSeconds = format.TtlSeconds,
            Revision = revision,

            // Superseded catalogs are collected. A stock replica that is still busy with an older tag database skips a root catalog it cannot
            // find any more only when this says yes, and only then may its operator collect superseded catalogs there. It does not
            // invite the stock collector to this server: that one needs a reflog, and there is none.
            GarbageCollectable = true,
            RepositoryName = format.Repository,
            Certificate = certificate,
            History = history,
            PublishedAt = at,
        };
        SignedManifest signed = manifest.Sign(keys.SigningKey);
        if (!Manifest.ParseSigned(signed.Bytes).Verify(keys.Certificate))
            throw new InvalidOperationException($"The manifest of {format.Repository} does not verify with its own certificate: the signing key is not the certificate's. Put both files of one pair into the key folder.");
        return signed.Bytes;
    }

    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());

    /// <summary>What was decided on a member.</summary>
    /// <param name="Header">Of its bundle.</param>
    /// <param name="Rejection">Null when it is taken.</param>
    /// <param name="New">Which paths of its bundle are added, by their place in it.</param>
    /// <param name="NewCount">How many these are.</param>
    /// <param name="Present">Paths that are there with the same content.</param>
    /// <param name="ContentKept">Paths that are there with other content.</param>
    private sealed record Decision(
        BundleHeader Header, Rejection? Rejection, BitArray New, int NewCount, int Present, IReadOnlyList<StorePathName> ContentKept);

    private sealed record Draft(
        ulong Revision, DateTimeOffset At, HotCatalogs Catalogs, RepositoryTag? Previous, IReadOnlyList<RepositoryTag> NamedTags, long Paths);
}
