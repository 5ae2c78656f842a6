using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Collection;

/// <summary>A store, the state its journal would have, and what is expected to be there; driven step by step. Time passes by making files older.</summary>
internal sealed class CollectionModel(TestRepository repository) : IAsyncDisposable
{
    public static readonly TimeSpan Grace = TimeSpan.FromHours(1);
    private static readonly DateTimeOffset At = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<(CommitMember Member, SyntheticPath[] Paths)> _sealed = [];
    private readonly List<IRepositoryEvent> _events = [CreationOf(repository)];
    private DateTimeOffset _now = At;
    private RepositoryState _state = RepositoryState.Empty.Apply(CreationOf(repository));

    public TestRepository Repository => repository;

    public RepositoryState State => _state;

    /// <summary>What the journal would have, the first at sequence number 1.</summary>
    public IReadOnlyList<IRepositoryEvent> Events => _events;

    public IReadOnlyList<StorePathName> Paths => [.. repository.Store.Index.Paths.All().Select(p => p.Info.Path)];

    public int Waiting => _sealed.Count;

    private CommitRules Rules => new(new Dictionary<StorePathName, string>(), [.. _state.Removals.Select(r => r.Digest)]);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<CollectionModel> CreateAsync(bool nixDatabase = false) => new(await TestRepository.CreateAsync(Cancel, nixDatabase: nixDatabase));

    public void Pass(TimeSpan time)
    {
        _now += time;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(repository.RepositoryFolder, "data"), "*", SearchOption.AllDirectories))
            File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file) - time);
    }

    /// <summary>Uploads and seals as a gateway does: what is called present is not sent.</summary>
    public async Task<CommitMember?> SealAsync(params SyntheticPath[] paths)
    {
        var id = Guid.CreateVersion7();
        await using var staging = new TransactionStaging(repository.Store, id);
        foreach (SyntheticPath path in paths)
        {
            await SendAsync(path, staging);
            await staging.AddPathAsync(path.Upload, Cancel);
        }

        SealedBundle bundle = await staging.SealAsync(new BundleHeader(TestRepository.Name, id, ConflictPolicy.Keep, null, null), Cancel);
        var member = new CommitMember(id, bundle.Digest);
        _sealed.Add((member, paths));
        return member;
    }

    /// <summary>Commits what was sealed; its bundles go, as the sweep would have it.</summary>
    public async Task<PreparedCommit> CommitAsync()
    {
        PreparedCommit prepared = await repository.Store.PrepareAsync(repository.Head, [.. _sealed.Select(s => s.Member)], Rules, repository.Keys, repository.Now, Cancel);
        if (prepared.Revision is { } revision)
            await AppendAsync(revision);
        foreach ((CommitMember member, _) in _sealed)
            repository.Store.Blobs.Delete(member.BundleDigest);
        _sealed.Clear();
        return prepared;
    }

    public async Task RemoveAsync(params StorePathName[] paths)
    {
        if (await repository.Store.PrepareRemovalAsync(repository.Head, paths, keepNeeded: true, [], repository.Keys, repository.Now, Cancel) is { } revision)
            await AppendAsync(revision);
    }

    public async Task FinishNixDatabaseAsync()
    {
        if (await repository.Store.PrepareNixDatabaseAsync(repository.Head, repository.Keys, repository.Now, Cancel) is { } revision)
            await AppendAsync(revision);
    }

    public async Task TagAsync(string name)
    {
        var tag = new RepositoryTag(name, repository.Head.RootHash, repository.Head.Revision, repository.Head.PublishedAt, repository.Head.RootSize, "");
        await ChangeTagsAsync([.. repository.Head.NamedTags.Where(t => t.Name != name).Append(tag).OrderBy(t => t.Name, StringComparer.Ordinal)], made => new TagSet(tag, made, _now));
    }

    public Task UntagAsync(string name) => ChangeTagsAsync([.. repository.Head.NamedTags.Where(t => t.Name != name)], made => new TagRemoved(name, made, _now));

    /// <summary>What the writer does by the clock.</summary>
    public async Task KeepHouseAsync()
    {
        while (_state.Collect(Grace / 2, _now) is { } collected)
        {
            Note(collected);
            await repository.Store.ApplyCollectedAsync(repository.NextSequence(), new byte[] { 1 }, collected.Objects, Cancel);
        }

        if (CollectionRules.Expire(_state, Grace, _now, null) is { } expired)
        {
            Note(expired);
            await repository.Store.ApplyExpiredAsync(repository.NextSequence(), new byte[] { 1 }, expired.UpTo, Cancel);
        }
    }

    public Task<CollectionResult> CollectAsync(Action<string>? at = null, TimeProvider? clock = null) =>
        new ObjectCollector(repository.Store, Grace, share: 1, clock ?? TimeProvider.System) { At = at }.RunAsync(RootsAsync, Cancel);

    /// <summary>As a mirror does, which knows nothing of removals.</summary>
    public Task<CollectionResult> CollectTwiceAsync(params string[] tags) => new ObjectCollector(repository.Store, Grace, share: 1, TimeProvider.System, twice: true).RunAsync(
        _ => Task.FromResult(new CollectionRoots([repository.Head.RootHash, .. repository.Head.NamedTags.Where(t => tags.Contains(t.Name)).Select(t => t.RootHash)], [], []) { IfThere = [repository.Head.Previous!.RootHash] }), Cancel);

    /// <summary>What was found unneeded was found so earlier.</summary>
    public void AgeSightings(TimeSpan time)
    {
        string file = Path.Combine(repository.Store.Layout.MetaFolder(TestRepository.Name), "collection", "seen", "plan");
        string[] lines = File.ReadAllLines(file);
        lines[2] = (long.Parse(lines[2], System.Globalization.CultureInfo.InvariantCulture) - time.Ticks).ToString(System.Globalization.CultureInfo.InvariantCulture);
        File.WriteAllText(file, string.Concat(lines.Select(l => l + "\n")));
    }

    public Task RestartAsync() => repository.RestartAsync(Cancel);

    /// <summary>Objects that must be here now, found without the code that collects.</summary>
    public HashSet<ObjectName> Needed()
    {
        var needed = new HashSet<ObjectName>
        {
            new(repository.Format.Certificate, ObjectKind.Certificate), CatalogRows.EmptyObject(HashAlgorithmId.Sha1), new(repository.Head.History, ObjectKind.History),
        };
        foreach (ObjectHash root in repository.Head.NamedTags.Select(t => t.RootHash).Append(repository.Head.RootHash).Append(repository.Head.Previous!.RootHash))
            Walk(new ObjectName(root, ObjectKind.Catalog), needed);
        foreach ((CommitMember member, _) in _sealed)
        {
            using var bundle = new BundleReader(repository.Store.Blobs.OpenRead(member.BundleDigest)!, HashAlgorithmId.Sha1, "b");
            needed.UnionWith(bundle.Paths().SelectMany(p => p.Objects).Select(o => o.Name));
        }

        foreach (RemovedPaths removal in _state.Removals)
            needed.UnionWith(PathInfoFile.ReadRemoved(repository.Store.Blobs.OpenRead(removal.Digest)!, HashAlgorithmId.Sha1, "r").SelectMany(p => p.Objects).Select(o => o.Name));
        return needed;
    }

    public IEnumerable<ObjectName> Present() => Enumerable.Range(0, 256).SelectMany(i => ((DirectoryObjectStore)repository.Store.Objects).List((byte)i)).Select(f => f.Name);

    public ValueTask DisposeAsync() => repository.DisposeAsync();

    private async Task SendAsync(SyntheticPath path, TransactionStaging staging)
    {
        (ContentDigest Digest, StoredContent Content)[] files = [.. PathObjects.FilesOf(path.Upload.Root).Select(f => (f.Digest, f.Content!)).DistinctBy(f => f.Digest)];
        IReadOnlyList<StoredContent?> found = staging.FindContent([.. files.Select(f => f.Digest)]);
        await using ObjectBatch batch = repository.Store.Objects.BeginBatch();
        for (int i = 0; i < files.Length; i++)
        {
            foreach (ObjectName name in found[i] is null ? PathObjects.Of(files[i].Content) : [])
                await batch.AddAsync(name.Kind, path.Objects[name], Cancel);
        }

        await batch.CompleteAsync(Cancel);
    }

    private async Task ChangeTagsAsync(IReadOnlyList<RepositoryTag> tags, Func<TagState, ITagEvent> make)
    {
        CommittedTags made = await repository.Store.PrepareTagsAsync(repository.Head, tags, repository.Keys, repository.Now, Cancel);
        RevisionHead head = StoreBackend.FromStore(repository.Revisions[^1] with { Head = made.Head }).Head;
        Note((IRepositoryEvent)make(new TagState(head, made.SignedManifest, made.Superseded, made.Kept)));
        await repository.ApplyTagsAsync(made, Cancel);
    }

    private async Task AppendAsync(CommittedRevision revision)
    {
        await repository.CommitAsync(revision, Cancel);
        Note(new RevisionCommitted(StoreBackend.FromStore(revision), [], [], _now));
    }

    private void Note(IRepositoryEvent @event)
    {
        _events.Add(@event);
        _state = _state.Apply(@event);
    }

    private static RepositoryCreated CreationOf(TestRepository repository) => new(
        new RepositoryDefinition(RepositoryId.Parse(TestRepository.Name), repository.Format.StoreDirectory, HashAlgorithmId.Sha1, 240, 8, repository.Format.Certificate),
        repository.Whitelist, At, StoreBackend.FromStore(repository.Revisions[0]), At);

    private Task<CollectionRoots> RootsAsync(CancellationToken cancellationToken) => Task.FromResult(new CollectionRoots(
        [.. repository.Head.NamedTags.Select(t => t.RootHash).Append(repository.Head.RootHash)], [.. _state.KeptByName()], [.. _state.Removals.Select(r => r.Digest)]));

    private void Walk(ObjectName catalog, HashSet<ObjectName> needed)
    {
        if (!needed.Add(catalog))
            return;
        IReadOnlyList<ObjectName>? references = CatalogFile.ReferencesIn(repository.Store.Objects, catalog, repository.Store.Layout.WorkFolder(TestRepository.Name));
        Assert.True(references is not null, $"{catalog} is gone");
        foreach (ObjectName name in references)
        {
            if (name.Kind == ObjectKind.Catalog)
                Walk(name, needed);
            else
                needed.Add(name);
        }
    }
}
