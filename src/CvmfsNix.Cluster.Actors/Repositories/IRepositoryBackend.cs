using System.Collections.ObjectModel;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>A decided batch whose every object is durable: one outcome per transaction in the order given, and the revision to append, if anything is new.</summary>
internal sealed record PreparedBatch(IReadOnlyList<TransactionOutcome> Outcomes, Revision? Revision)
{
    /// <summary>Stored bytes of the revision's own catalogs.</summary>
    public long CatalogBytes { get; init; }
}

/// <summary>A whitelist and the end of its validity.</summary>
internal sealed record FreshWhitelist(ReadOnlyMemory<byte> Bytes, DateTimeOffset ExpiresAt)
{
    /// <summary>The certificates it names.</summary>
    public IReadOnlyList<string> Fingerprints { get; init; } = [];
}

/// <summary>
/// One repository's store on this node, in the model's terms. The writer's calls come one at a time, the keeper's too; the two may overlap.
/// </summary>
internal interface IRepositoryBackend : IAsyncDisposable
{
    /// <summary>Sequence number of the last event this store has applied; 0 = none.</summary>
    long AppliedSequence { get; }

    /// <summary>An event as this store kept it when it applied it; null = it did not keep it.</summary>
    IRepositoryEvent? AppliedEvent(long sequenceNumber) => null;

    /// <summary>The revision the named files show; 0 = none.</summary>
    ulong ServedRevision { get; }

    /// <summary>The last revision the path index holds.</summary>
    ulong IndexedRevision { get; }

    /// <summary>From here on the pair of this certificate signs. Null when this node holds it, else what is missing and what to do.</summary>
    /// <param name="certificate">Name of the certificate object.</param>
    string? KeyProblem(ObjectHash certificate);

    /// <summary>The empty first revision, durable.</summary>
    Task<Revision> PrepareInitialAsync(DateTimeOffset now, CancellationToken ct);

    /// <summary>
    /// Signs a whitelist that names the certificate of the pair that signs and that of the pair that is to sign next, if there is one; null when the
    /// master key is not on this node, and no whitelist that was signed elsewhere.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="also">Certificate object of a key whose manifests have to be accepted too.</param>
    FreshWhitelist? SignWhitelist(DateTimeOffset now, ObjectHash? also = null);

    /// <summary>What signs and what clients accept, by the key folder and by the whitelist that this node serves.</summary>
    SigningKeys SigningKeys() => new("", null, []);

    /// <summary>Signs the newest revision's manifest with the next key, durable but not yet history.</summary>
    /// <exception cref="KeyNotEverywhereException">Another node lacks the key, or does not answer.</exception>
    Task<KeyRotated> PrepareKeyAsync(RevisionHead head, string by, DateTimeOffset now, CancellationToken ct) =>
        throw new NotSupportedException();

    /// <summary>Gets ready for the first batch after a head. Changes nothing, and may overlap the writer's other calls.</summary>
    Task WarmAsync(RevisionHead head, CancellationToken ct) => Task.CompletedTask;

    /// <summary>Decides a batch and makes the next revision of it, durable but not yet history.</summary>
    Task<PreparedBatch> PrepareAsync(RevisionHead head, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct);

    /// <summary>As the other, with what was removed and taken back before.</summary>
    Task<PreparedBatch> PrepareAsync(RepositoryState state, IReadOnlyList<SealedTransaction> batch, DateTimeOffset now, CancellationToken ct) => PrepareAsync(state.Head!, batch, now, ct);

    /// <summary>What may go by the rules of the state; looks at all paths.</summary>
    Task<RetentionPlan> PlanRemovalAsync(RepositoryState state, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult(new RetentionPlan(ReadOnlyDictionary<StorePathName, KeepReason>.Empty, []));

    /// <summary>A path and everything that needs it; empty when it is not there.</summary>
    Task<IReadOnlyList<StorePathName>> DependentsAsync(StorePathName path, CancellationToken ct) => Task.FromResult<IReadOnlyList<StorePathName>>([]);

    /// <summary>Makes the next revision without some paths, durable but not yet history; null when none of them can go.</summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="paths">What is to go.</param>
    /// <param name="keepNeeded">What a path that stays needs, or a profile is at, stays too; false: that is an error, and profiles go back.</param>
    /// <param name="drop">Generations of profiles that are given up.</param>
    /// <param name="now">The time.</param>
    /// <param name="ct">Gives up.</param>
    Task<Revision?> PrepareRemovalAsync(
        RevisionHead head, IReadOnlyCollection<StorePathName> paths, bool keepNeeded, IReadOnlyList<ProfileGenerationRecord> drop, DateTimeOffset now, CancellationToken ct) =>
        Task.FromResult<Revision?>(null);

    /// <summary>What leads from the state's newest revision back to what an earlier one had.</summary>
    /// <param name="state">The present.</param>
    /// <param name="since">Every revision after the wanted one, oldest first.</param>
    /// <param name="ct">Gives up.</param>
    Task<RollbackPlan> PlanRollbackAsync(RepositoryState state, IReadOnlyList<Revision> since, CancellationToken ct) => Task.FromResult(new RollbackPlan([], [], [], []));

    /// <summary>Makes the next revision with paths that were removed, as far as they can be had back and were not withdrawn; null when none can.</summary>
    Task<Revision?> PrepareReturnAsync(RepositoryState state, RollbackPlan plan, DateTimeOffset now, CancellationToken ct) => Task.FromResult<Revision?>(null);

    /// <summary>Makes the newest revision with other tags, durable but not yet history.</summary>
    /// <param name="head">The newest revision.</param>
    /// <param name="tags">All named tags there shall be, ascending by name.</param>
    /// <param name="now">The time.</param>
    /// <param name="ct">Gives up.</param>
    Task<TagState> PrepareTagsAsync(RevisionHead head, IReadOnlyList<RepositoryTag> tags, DateTimeOffset now, CancellationToken ct);

    /// <summary>The prepared revision became history.</summary>
    Task AdoptAsync(Revision revision, CancellationToken ct);

    /// <summary>What was prepared is not history: the next batch starts from the head's catalogs.</summary>
    Task DiscardAsync(CancellationToken ct);

    /// <summary>Serves an event. Idempotent; in journal order. Events that change no files are only passed over.</summary>
    Task ApplyAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct);

    /// <summary>
    /// Takes notice of a revision or of tags that others have followed: their content is kept and indexed, they are not served. As
    /// <see cref="ApplyAsync"/> otherwise.
    /// </summary>
    /// <param name="sequenceNumber">Of the event.</param>
    /// <param name="event">Holds a revision or tags.</param>
    /// <param name="withCatalogs">Its own catalogs must be here too.</param>
    /// <param name="ct">Stops before anything is changed.</param>
    Task PassAsync(long sequenceNumber, IRepositoryEvent @event, bool withCatalogs, CancellationToken ct) => ApplyAsync(sequenceNumber, @event, ct);

    /// <summary>When the database of Nix in the tree is to be looked at and brought up to its paths; null = there is nothing to do.</summary>
    TimeSpan? NixDatabaseDueIn => null;

    /// <summary>Makes a revision with the same paths and a database of Nix that has all of them; null when it has. Durable on return, and not visible.</summary>
    Task<Revision?> PrepareNixDatabaseAsync(RevisionHead head, DateTimeOffset now, CancellationToken ct) => Task.FromResult<Revision?>(null);

    /// <summary>Takes notice of a revision whose objects may be nowhere, see <see cref="EventEffect.PassRecords"/>.</summary>
    Task PassRecordsAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct) => PassAsync(sequenceNumber, @event, false, ct);

    /// <summary>Takes notice of a revision of which nothing is left, see <see cref="EventEffect.PassForgotten"/>.</summary>
    Task PassForgottenAsync(long sequenceNumber, IRepositoryEvent @event, CancellationToken ct) => PassRecordsAsync(sequenceNumber, @event, ct);

    /// <summary>Which revisions' record files nobody needs, of those that are kept; looks at all of them.</summary>
    /// <param name="state">The repository.</param>
    /// <param name="kept">Record files, ascending by revision.</param>
    /// <param name="ct">Gives up.</param>
    Task<RevisionSet> PlanForgettingAsync(RepositoryState state, IReadOnlyCollection<RevisionRecords> kept, CancellationToken ct) => Task.FromResult(RevisionSet.Empty);

    /// <summary>Brings here what events need and other stores have. Best effort: applying tells what is still missing.</summary>
    Task CompleteAsync(IReadOnlyList<NettedEvent> events, CancellationToken ct) => Task.CompletedTask;

    /// <summary>
    /// Makes sure that nothing of the batch can be lost with the stores it is on. Those of which it cannot be said now are named, with the
    /// reason; they stay sealed and are to be tried again.
    /// </summary>
    Task<IReadOnlyDictionary<TransactionId, string>> SecureAsync(IReadOnlyList<SealedTransaction> batch, CancellationToken ct) =>
        Task.FromResult<IReadOnlyDictionary<TransactionId, string>>(ReadOnlyDictionary<TransactionId, string>.Empty);

    /// <summary>The newest event that another reachable store has applied, and whose; 0 = none.</summary>
    Task<(long Applied, string Store)> HighestAppliedElsewhereAsync(CancellationToken ct) => Task.FromResult((0L, ""));

    /// <summary>As the other, of a revision of which nothing is left.</summary>
    Task ReindexForgottenAsync(Revision revision, CancellationToken ct) => ReindexAsync(revision, ct);

    /// <summary>Brings the path index up to a revision that was applied before.</summary>
    Task ReindexAsync(Revision revision, CancellationToken ct);
}

/// <summary>Opens the stores of this node.</summary>
internal interface IRepositoryBackends
{
    /// <summary>Opens or creates the store of a repository.</summary>
    Task<IRepositoryBackend> OpenAsync(RepositoryDefinition definition, CancellationToken ct);

    /// <summary>Makes or finds the keys of a repository that is to be created, and completes its definition.</summary>
    /// <exception cref="ArgumentException">The request asks for something that does not exist.</exception>
    Task<RepositoryDefinition> DefineAsync(RepositoryProtocol.RepositoryDefinitionRequest request, DateTimeOffset now, CancellationToken ct);
}
