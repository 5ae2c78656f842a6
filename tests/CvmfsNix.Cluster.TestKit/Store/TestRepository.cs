using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.TestKit.Store;

/// <summary>A repository in a temporary data folder, driven as a writer and a keeper would drive it, without a journal.</summary>
public sealed class TestRepository : IAsyncDisposable
{
    /// <summary>Its name.</summary>
    public const string Name = "test.example.org";

    // Making keys takes longer than most tests; nothing depends on whose they are.
    private static readonly Lazy<RepositoryKeys> SharedKeys = new(() => RepositoryKeys.Create(Name, DateTimeOffset.UtcNow));

    // One for all, so that two repositories of a test have the same times; today, because clients check expiry.
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());

    private TestRepository(string folder, RepositoryFormat format, RepositoryStore store)
    {
        DataFolder = folder;
        Format = format;
        Store = store;
    }

    /// <summary>The node's data folder.</summary>
    public string DataFolder { get; }

    /// <summary>The repository folder of stock shape.</summary>
    public string RepositoryFolder => Store.Layout.RepositoryFolder(Name);

    public RepositoryFormat Format { get; }

    public RepositoryStore Store { get; private set; }

    public RepositoryKeys Keys => SharedKeys.Value;

    /// <summary>The newest adopted revision.</summary>
    public RepositoryHead Head { get; private set; } = null!;

    /// <summary>Every adopted revision, oldest first.</summary>
    public List<CommittedRevision> Revisions { get; } = [];

    /// <summary>Sequence number of the last event.</summary>
    public long Sequence { get; private set; }

    /// <summary>The clock, which stands unless it is moved.</summary>
    public DateTimeOffset Now { get; set; } = Start;

    /// <summary>The whitelist that was served first.</summary>
    public byte[] Whitelist => new Whitelist
    {
        CreatedAt = Now,
        ExpiresAt = Now.AddDays(30),
        RepositoryName = Name,
        Fingerprints = [Keys.Certificate.Fingerprint()],
    }.Sign(Keys.MasterKey!);

    /// <summary>Makes the repository with its first revision in effect.</summary>
    public static async Task<TestRepository> CreateAsync(
        CancellationToken cancellationToken, HashAlgorithmId algorithm = HashAlgorithmId.Sha1, string storeDirectory = "/nix/store", int nestedMinEntries = 8, bool nixDatabase = false)
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-store-").FullName;
        RepositoryFormat format = FormatOf(algorithm, storeDirectory, nestedMinEntries) with { HasNixDatabase = nixDatabase };
        RepositoryStore store = await RepositoryStore.OpenAsync(new StoreLayout(folder), format, cancellationToken);
        var repository = new TestRepository(folder, format, store);
        CommittedRevision initial = await store.PrepareInitialAsync(repository.Keys, repository.Now, cancellationToken);
        await repository.Store.AdoptAsync(initial, cancellationToken);
        await repository.Store.ApplyCreatedAsync(++repository.Sequence, new byte[] { 1 }, repository.Whitelist, initial, cancellationToken);
        repository.Revisions.Add(initial);
        repository.Head = initial.Head;
        return repository;
    }

    /// <summary>The format of a test repository.</summary>
    public static RepositoryFormat FormatOf(HashAlgorithmId algorithm = HashAlgorithmId.Sha1, string storeDirectory = "/nix/store", int nestedMinEntries = 8) => new()
    {
        Repository = Name,
        StoreDirectory = StoreDirectory.Parse(storeDirectory),
        HashAlgorithm = algorithm,
        NestedMinEntries = nestedMinEntries,
        Certificate = ObjectHasher.Hash(algorithm, ObjectCompression.CompressClassic(SharedKeys.Value.Certificate.Pem)),
    };

    /// <summary>Closes the store as a stopping process would, runs <paramref name="between"/>, and opens it again.</summary>
    public async Task RestartAsync(CancellationToken cancellationToken, Action? between = null)
    {
        await Store.DisposeAsync();
        between?.Invoke();
        Store = await RepositoryStore.OpenAsync(new StoreLayout(DataFolder), Format, cancellationToken);
    }

    /// <summary>Uploads, verifies and seals a transaction, as a gateway would.</summary>
    public async Task<CommitMember> SealAsync(
        IEnumerable<SyntheticPath> paths,
        CancellationToken cancellationToken,
        ConflictPolicy conflict = ConflictPolicy.Keep,
        string? profile = null,
        StorePathName? profileTarget = null,
        Guid? transaction = null)
    {
        var verifier = new PathVerifier(Store.Objects, Format);
        var builder = new PathCatalogBuilder(Format);
        var records = new List<PathRecord>();
        foreach (SyntheticPath path in paths)
        {
            await using (ObjectBatch uploads = Store.Objects.BeginBatch())
            {
                foreach ((ObjectName name, byte[] stored) in path.Objects)
                    await uploads.AddAsync(name.Kind, stored, cancellationToken);
                await uploads.CompleteAsync(cancellationToken);
            }

            BuiltPath built = builder.Build(await verifier.VerifyAsync(path.Upload, cancellationToken));
            if (built.StoredCatalog is { } catalog)
            {
                await using ObjectBatch catalogs = Store.Objects.BeginBatch();
                await catalogs.AddAsync(ObjectKind.Catalog, catalog, cancellationToken);
                await catalogs.CompleteAsync(cancellationToken);
            }

            records.Add(built.Record);
        }

        Guid id = transaction ?? Guid.CreateVersion7();
        string digest = await Store.Blobs.PutAsync(
            stream =>
            {
                var bundle = new BundleWriter(stream, new BundleHeader(Name, id, conflict, profile, profileTarget));
                foreach (PathRecord record in records.OrderBy(r => r.Info.Path))
                    bundle.Write(record);
                bundle.Finish();
                return Task.CompletedTask;
            },
            cancellationToken);
        return new CommitMember(id, digest);
    }

    /// <summary>Prepares a batch on the head.</summary>
    public Task<PreparedCommit> PrepareAsync(CancellationToken cancellationToken, params CommitMember[] members) =>
        Store.PrepareAsync(Head, members, Keys, Now, cancellationToken);

    /// <summary>Lets a prepared revision become history: adopted, and applied by the keeper.</summary>
    public async Task CommitAsync(CommittedRevision revision, CancellationToken cancellationToken)
    {
        await Store.AdoptAsync(revision, cancellationToken);
        await Store.ApplyRevisionAsync(++Sequence, BitConverter.GetBytes(Sequence), revision, cancellationToken);
        Revisions.Add(revision);
        Head = revision.Head;
    }

    /// <summary>Seals, prepares and commits one transaction.</summary>
    public async Task<MemberOutcome> PublishAsync(CancellationToken cancellationToken, params SyntheticPath[] paths)
    {
        PreparedCommit prepared = await PrepareAsync(cancellationToken, await SealAsync(paths, cancellationToken));
        if (prepared.Revision is { } revision)
            await CommitAsync(revision, cancellationToken);
        return prepared.Outcomes[0];
    }

    /// <summary>The number of one event more.</summary>
    public long NextSequence() => ++Sequence;

    /// <summary>Lets changed tags become history.</summary>
    public async Task ApplyTagsAsync(CommittedTags tags, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tags);
        await Store.ApplyTagsAsync(NextSequence(), new byte[] { 1 }, tags.Head, tags.SignedManifest, cancellationToken);
        Head = tags.Head;
    }

    /// <summary>Removes paths, and commits the revision without them; null when nothing was to go.</summary>
    public async Task<CommittedRevision?> RemoveAsync(CancellationToken cancellationToken, params StorePathName[] paths)
    {
        CommittedRevision? revision = await Store.PrepareRemovalAsync(Head, paths, keepNeeded: true, [], Keys, Now, cancellationToken);
        if (revision is not null)
            await CommitAsync(revision, cancellationToken);
        return revision;
    }

    /// <summary>Commits the revision that brings the database of Nix up to the paths; null when it is.</summary>
    public async Task<CommittedRevision?> FinishNixDatabaseAsync(CancellationToken cancellationToken)
    {
        CommittedRevision? revision = await Store.PrepareNixDatabaseAsync(Head, Keys, Now, cancellationToken);
        if (revision is not null)
            await CommitAsync(revision, cancellationToken);
        return revision;
    }

    /// <summary>What came after a revision is lost for good: the next one builds on it, with a number after another.</summary>
    public async Task GoOnFromAsync(ulong revision, ulong after, CancellationToken cancellationToken)
    {
        Head = Revisions.Single(r => r.Head.Revision == revision).Head with { ContinueAfter = after };
        await Store.ContinueAsync(NextSequence(), new byte[] { 1 }, revision, cancellationToken);
        foreach (CommittedRevision known in Revisions.TakeWhile(r => r.Head.Revision <= revision))
            await Store.ReindexAsync(known, cancellationToken);
    }

    /// <summary>Opens the repository as a client would.</summary>
    public Task<RepositoryReader> OpenReaderAsync(CancellationToken cancellationToken) => RepositoryReader.OpenAsync(
        new DirectorySource(RepositoryFolder), [Keys.MasterPublicKeyPem], new RepositoryReaderOptions { ExpectedName = Name }, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        Directory.Delete(DataFolder, recursive: true);
    }
}
