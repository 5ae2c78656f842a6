using System.Collections.Immutable;
using Xunit;
using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit.Guard;

namespace CvmfsNix.Cluster.Tests.Actors;

/// <summary>
/// Stores in memory that outlive a node, as a disk would. A transaction's bundle digest says what it brings: <c>a</c> brings path a,
/// <c>a&lt;b</c> brings path a, which refers to path b; a batch with <c>!</c> in it cannot be prepared, one with <c>?</c> makes a revision that breaks a rule.
/// </summary>
internal sealed class FakeStores : IRepositoryBackends
{
    private readonly ConcurrentDictionary<string, FakeStore> _stores = new();

    /// <summary>Called at <c>warm</c>, <c>prepare</c>, <c>adopt</c> and <c>apply</c>; a test holds a step by not completing it.</summary>
    public Func<string, CancellationToken, Task> At { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Stored bytes of the catalogs that every revision has.</summary>
    public long CatalogBytes { get; set; }

    public FakeStore this[string fqrn] => _stores[fqrn];

    public Task<IRepositoryBackend> OpenAsync(RepositoryDefinition definition, CancellationToken ct) =>
        Task.FromResult<IRepositoryBackend>(_stores.GetOrAdd(definition.Repository.Value, _ => new FakeStore(this)));

    public Task<RepositoryDefinition> DefineAsync(RepositoryProtocol.RepositoryDefinitionRequest request, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult(new RepositoryDefinition(request.Repository, StoreDirectory.Parse(request.StoreDirectory), HashAlgorithmId.Sha1, 240, 8, Fake.Hash("certificate")));
}

internal sealed class FakeStore(FakeStores stores) : IRepositoryBackend
{
    private readonly HashSet<string> _paths = [];
    private readonly List<string> _prepared = [];

    // Replaced as a whole: tests look at it while the node goes on applying.
    public ImmutableList<(long SequenceNumber, IRepositoryEvent Event)> Applied { get; private set; } = [];

    public long AppliedSequence { get; set; }

    public ulong ServedRevision { get; private set; }

    public ulong IndexedRevision => ServedRevision;

    public string? Keys { get; set; }

    public string? KeyProblem(ObjectHash certificate) => Keys;

    public Task<Revision> PrepareInitialAsync(DateTimeOffset now, CancellationToken ct) => Task.FromResult(Fake.Revision(1, now, null, []));

    public Task<TagState> PrepareTagsAsync(RevisionHead head, IReadOnlyList<CvmfsNix.Cluster.Cvmfs.Tags.RepositoryTag> tags, DateTimeOffset now, CancellationToken ct) => Task.FromResult(new TagState(
        head with { NamedTags = tags, TaggedAt = now, History = Fake.Hash($"tags {string.Join(',', tags.Select(t => t.Name))}"), CommittedHistory = head.CommittedHistory ?? head.History }, new byte[] { 8 }, [], []));

    public FreshWhitelist? SignWhitelist(DateTimeOffset now, ObjectHash? also = null) => new(new byte[] { 1, 2, 3 }, now + TimeSpan.FromDays(30));

    public Task WarmAsync(RevisionHead head, CancellationToken ct) => stores.At("warm", ct);

    public async Task<PreparedBatch> PrepareAsync(RevisionHead head, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct)
    {
        await stores.At("prepare", ct);
        if (batch.Any(t => t.BundleDigest == "!"))
            throw new InvalidOperationException("a bundle that nothing can be made of");
        if (batch.Any(t => t.BundleDigest == "?"))
            throw new CommitNotValidException("self-counters", "/nix/store", "self_dir is 1, counted 2");
        lock (_paths)
        {
            _prepared.Clear();
            var outcomes = new List<TransactionOutcome>();
            foreach (var t in batch)
            {
                var parts = t.BundleDigest.Split('<');
                bool missing = parts.Length > 1 && !_paths.Contains(parts[1]) && !_prepared.Contains(parts[1]);
                bool present = _paths.Contains(parts[0]) || _prepared.Contains(parts[0]);
                if (!missing && !present)
                    _prepared.Add(parts[0]);
                outcomes.Add(new TransactionOutcome(
                    t.Id, missing ? TransactionStatus.Rejected : TransactionStatus.Committed, present && !missing, 0, "", present || missing ? 0 : 1, present ? 1 : 0,
                    KeptContent.None, 0, missing ? new Rejection("MissingReference", "missing", parts[1], null) : null));
            }

            var revision = _prepared.Count == 0 ? null : Fake.Revision(head.Revision + 1, now, head, _paths.Concat(_prepared));
            var at = revision?.Head ?? head;
            return new PreparedBatch([.. outcomes.Select(o => o with { Revision = at.Revision, RootHash = at.RootHash.ToString() })], revision) { CatalogBytes = revision is null ? 0 : stores.CatalogBytes };
        }
    }

    public async Task AdoptAsync(Revision revision, CancellationToken ct)
    {
        await stores.At("adopt", ct);
        lock (_paths)
            _paths.UnionWith(_prepared);
    }

    public Task DiscardAsync(CancellationToken ct)
    {
        lock (_paths)
            _prepared.Clear();
        return Task.CompletedTask;
    }

    public async Task ApplyAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct)
    {
        await stores.At("apply", ct);
        Assert.Equal(AppliedSequence + 1, sequenceNumber);
        Applied = Applied.Add((sequenceNumber, @event));
        AppliedSequence = sequenceNumber;
        var revision = @event switch { RepositoryCreated c => c.Initial, RevisionCommitted c => c.Revision, _ => null };
        if (@event is ITagEvent tags)
            ServedRevision = tags.State.Head.Revision;
        if (revision is null)
            return;
        ServedRevision = revision.Head.Revision;
        lock (_paths)
            _paths.UnionWith(revision.PathInfoDigest.Split(',', StringSplitOptions.RemoveEmptyEntries));
    }

    public Task ReindexAsync(Revision revision, CancellationToken ct) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

internal static class Fake
{
    public static ObjectHash Hash(string text) => ObjectHasher.Hash(HashAlgorithmId.Sha1, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>A revision whose "path info digest" lists all paths, so that a store learns them by applying it.</summary>
    public static Revision Revision(ulong number, DateTimeOffset now, RevisionHead? before, IEnumerable<string> paths) => new(
        new RevisionHead
        {
            Revision = number,
            RootHash = Hash($"root {number} {string.Join(',', paths)}"),
            RootSize = 1,
            StoreCatalog = Hash($"store {number}"),
            StoreCatalogSize = 2,
            History = Hash($"history {number}"),
            PublishedAt = now,
            Paths = paths.Count(),
        },
        new byte[] { 9 },
        string.Join(',', paths),
        "delta",
        before is null ? [] : [new ObjectName(before.StoreCatalog, ObjectKind.Catalog)],
        []);
}
