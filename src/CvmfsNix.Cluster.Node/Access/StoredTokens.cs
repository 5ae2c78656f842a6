using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// What this node knows of the tokens in the journal's database. It reads them again every two seconds while they are used, and at once
/// when it is shown one it has not heard of. While the database does not answer, what is known holds for a minute; then tokens that are kept
/// there open nothing until it answers again. Thread-safe.
/// </summary>
public sealed class StoredTokens(ITokenTable table, TimeProvider time, ILogger<StoredTokens> log) : IDisposable
{
    /// <summary>How often what is known is brought up to date.</summary>
    public static readonly TimeSpan ReadEvery = TimeSpan.FromSeconds(2);

    /// <summary>How long it holds while the database does not answer.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(60);

    // Whoever shows tokens that do not exist makes the node ask no oftener.
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMilliseconds(500);

    /// <summary>So long it can be told that a token ended, and not only that it is not known.</summary>
    public static readonly TimeSpan EndedKnownFor = TimeSpan.FromDays(30);

    private readonly SemaphoreSlim _reading = new(1, 1);
    private volatile Snapshot? _snapshot;
    private bool _silent;
    private long _beganAt;
    private long _endedAt;

    /// <summary>Whether a token of this kind was shown to this node.</summary>
    public bool InUse { get; private set; }

    /// <summary>Whose token it is; null = it is not known.</summary>
    /// <param name="token">As it was shown.</param>
    /// <param name="ct">Gives up.</param>
    public async ValueTask<Caller?> FindAsync(TokenSecret token, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(token);
        InUse = true;
        Snapshot? known = _snapshot;
        if (known is null || Age(known) > GoodFor || (!known.Tokens.ContainsKey(token.Id) && Age(known) > AskAgainAfter))
        {
            await TryReadAsync(own: false, ct);
            known = _snapshot;
        }

        if (known is null || Age(known) > GoodFor)
        {
            return Caller.Rejected(new NodeError(
                PublishingCodes.TokensUnavailable,
                "It cannot be told whether the token is good: the journal's database, where tokens are kept, does not answer.",
                "authorization",
                "Try again when it does. The tokens in files, admin.token in the key folder among them, work without it.",
                TimeSpan.FromSeconds(2)));
        }

        return known.Tokens.TryGetValue(token.Id, out StoredToken? stored) && token.Fits(stored.Digest) ? CallerOf(stored) : null;
    }

    /// <summary>Whether a token that was good has ended meanwhile, as far as this node knows.</summary>
    public bool HasEnded(string tokenId) =>
        _snapshot is { } known && (!known.Tokens.TryGetValue(tokenId, out StoredToken? stored) || CallerOf(stored).Problem is not null);

    /// <summary>Brings what is known up to date with what is in the database now. Never fails.</summary>
    public Task TryReadAsync(CancellationToken ct) => TryReadAsync(own: true, ct);

    // Whoever asks for an answer of its own gets no older one; the others take what came while they waited, so that a database that hangs is not
    // asked once for each of them.
    private async Task TryReadAsync(bool own, CancellationToken ct)
    {
        long called = time.GetTimestamp();
        await _reading.WaitAsync(ct);
        try
        {
            if (_endedAt > called && (!own || _beganAt > called))
                return;
            _beganAt = time.GetTimestamp();
            IReadOnlyList<StoredToken> tokens = await table.ListAsync(time.GetUtcNow() - EndedKnownFor, ct);
            _snapshot = new Snapshot(tokens.ToDictionary(t => t.Id, StringComparer.Ordinal), _beganAt);
            if (_silent)
                log.LogInformation("The tokens in the journal's database can be read again");
            _silent = false;
        }
        catch (PublishingException e)
        {
            if (!_silent)
                log.LogWarning("{Problem} What this node knows of them holds for {Seconds} s", e.Message, GoodFor.TotalSeconds);
            _silent = true;
        }
        finally
        {
            _endedAt = time.GetTimestamp();
            _reading.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _reading.Dispose();

    private TimeSpan Age(Snapshot known) => time.GetElapsedTime(known.AskedAt);

    private Caller CallerOf(StoredToken stored)
    {
        if (stored.RevokedAt is not null)
            return Ended($"The token {stored.Id} was revoked.");
        if (stored.ExpiresAt is { } end && end <= time.GetUtcNow())
            return Ended($"The token {stored.Id} ended at {end.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
        // A scope that a newer node wrote is no reason to refuse the others.
        Scope[] scopes = [.. stored.Scopes.Split(' ').Select(s => Scope.TryParse(s, out Scope scope) ? scope : (Scope?)null).OfType<Scope>()];
        return Caller.Of($"token:{stored.Id}:{stored.Name}", scopes, tokenId: stored.Id, expiresAt: stored.ExpiresAt);
    }

    private static Caller Ended(string what) => Caller.Rejected(new NodeError(NodeCodes.Unauthorized, what, "authorization", "An administrator makes another one with cvmfsnix token create."));

    private sealed record Snapshot(Dictionary<string, StoredToken> Tokens, long AskedAt);
}
