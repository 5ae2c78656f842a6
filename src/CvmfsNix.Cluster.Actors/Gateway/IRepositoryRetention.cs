using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>What is kept in repositories, and what is taken out of them. Thread-safe.</summary>
public interface IRepositoryRetention
{
    /// <summary>Rules, roots and what is under way, as the leader has them.</summary>
    /// <exception cref="PublishingException">UnknownRepository, NoLeader.</exception>
    Task<RetentionView> GetAsync(string fqrn, CancellationToken ct);

    /// <summary>Sets the rules. Safe to repeat.</summary>
    /// <exception cref="PublishingException">UnknownRepository, InvalidRequest, NoLeader, OutcomeUnknown.</exception>
    Task<RetentionRules> SetAsync(string fqrn, RetentionRules rules, string by, CancellationToken ct);

    /// <summary>Keeps paths up to a time, those too that are not there yet. Safe to repeat.</summary>
    /// <exception cref="PublishingException">UnknownRepository, InvalidRequest, NoLeader, OutcomeUnknown.</exception>
    Task PinAsync(string fqrn, IReadOnlyList<StorePathName> paths, DateTimeOffset until, string by, CancellationToken ct);

    /// <summary>What would go by the rules at this moment, and why everything else stays; of the paths this node has.</summary>
    /// <exception cref="PublishingException">UnknownRepository, NoLeader.</exception>
    Task<RetentionPlan> PlanAsync(string fqrn, CancellationToken ct);

    /// <summary>Starts the removal of what the rules do not keep; it goes on in parts.</summary>
    /// <exception cref="PublishingException">UnknownRepository, NoLeader, OutcomeUnknown.</exception>
    Task<RetentionProtocol.RemovalIs> RemoveAsync(string fqrn, string by, CancellationToken ct);

    /// <summary>Takes a path back, and everything that needs it; on return the revision without it is in the journal and, unless this node lags, served here. Safe to repeat.</summary>
    /// <exception cref="PublishingException">UnknownRepository, InvalidRequest, NoLeader, OutcomeUnknown.</exception>
    Task<RetentionProtocol.RemovalIs> WithdrawAsync(string fqrn, StorePathName path, string reason, string by, CancellationToken ct);

    /// <summary>
    /// Makes what an earlier revision had the newest one; on return that is in the journal and, unless this node lags, served here. What was withdrawn since stays away. Safe to repeat.
    /// </summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="to">A revision's number, the name of a tag, or <c>trunk-previous</c>.</param>
    /// <param name="by">Who asks.</param>
    /// <param name="ct">Gives up waiting.</param>
    /// <exception cref="PublishingException">UnknownRepository, UnknownRevision, UnknownTag, TooFewCopies, NoLeader, OutcomeUnknown.</exception>
    Task<RetentionProtocol.RolledBack> RollBackAsync(string fqrn, string to, string by, CancellationToken ct);

    /// <summary>Named tags whose revisions have a path, as far as their catalogs are here.</summary>
    /// <exception cref="PublishingException">UnknownRepository.</exception>
    Task<IReadOnlyList<string>> TagsWithAsync(string fqrn, StorePathName path, CancellationToken ct);
}

/// <summary>What is kept in a repository.</summary>
/// <param name="Rules">The rules.</param>
/// <param name="Roots">What is kept by them.</param>
/// <param name="Withdrawn">Paths that were taken back.</param>
/// <param name="Removals">Removals whose objects are still there, oldest first.</param>
/// <param name="Removal">The running removal, or the last one.</param>
public sealed record RetentionView(
    RetentionRules Rules, RetentionRoots Roots, IReadOnlyList<Tombstone> Withdrawn, IReadOnlyList<RemovedPaths> Removals, RetentionProtocol.RemovalIs Removal);
