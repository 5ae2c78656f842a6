namespace CvmfsNix.Cluster.Actors.Administration.Tokens;

/// <summary>The tokens of a cluster, kept in the journal's database for all nodes. Thread-safe.</summary>
public interface ITokenTable
{
    /// <summary>Adds a token; durable on return.</summary>
    /// <exception cref="Hosting.PublishingException">TokensUnavailable.</exception>
    Task AddAsync(StoredToken token, CancellationToken ct);

    /// <summary>All tokens but those that ended, one way or the other, before a moment; oldest first.</summary>
    /// <exception cref="Hosting.PublishingException">TokensUnavailable.</exception>
    Task<IReadOnlyList<StoredToken>> ListAsync(DateTimeOffset endedAfter, CancellationToken ct);

    /// <summary>Takes a token back; durable on return. One that was taken back already keeps its time.</summary>
    /// <returns>False: there is no such token.</returns>
    /// <exception cref="Hosting.PublishingException">TokensUnavailable.</exception>
    Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken ct);
}
