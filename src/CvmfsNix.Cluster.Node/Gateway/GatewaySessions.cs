using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>
/// The open transactions of this node, a bounded number. A session is memory and staged objects only: losing it (restart, expiry) costs the
/// builder a new begin with the same id, never a commit.
/// </summary>
public sealed class GatewaySessions(IRepositoryGate gate, GatewayLimits limits, TimeProvider time) : IAsyncDisposable
{
    // A session used this recently is between two calls of its builder, so it does not make room for another.
    private static readonly TimeSpan EvictableAfter = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Repository, TransactionId Id), GatewaySession> _sessions = [];

    /// <summary>Open sessions.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _sessions.Count;
        }
    }

    /// <summary>The session of a transaction; opened when there is none.</summary>
    /// <exception cref="NodeException">Overloaded: too many are open.</exception>
    public async Task<SessionUse> OpenAsync(string repository, TransactionId id, RequestDigest digest)
    {
        GatewaySession? evicted = null;
        try
        {
            lock (_gate)
            {
                if (!_sessions.TryGetValue((repository, id), out GatewaySession? session))
                {
                    if (_sessions.Count >= limits.TransactionsMax)
                        evicted = MakeRoom();
                    session = new GatewaySession(repository, id, digest, gate.Stage(repository, id));
                    _sessions.Add((repository, id), session);
                }

                return Use(session);
            }
        }
        finally
        {
            if (evicted is not null)
                await evicted.DisposeAsync();
        }
    }

    /// <summary>The session of a transaction, or null.</summary>
    public SessionUse? Find(string repository, TransactionId id)
    {
        lock (_gate)
            return _sessions.TryGetValue((repository, id), out GatewaySession? session) ? Use(session) : null;
    }

    /// <summary>The session of a transaction.</summary>
    /// <exception cref="NodeException">TransactionNotOpen.</exception>
    public SessionUse Get(string repository, TransactionId id) => Find(repository, id) ?? throw new NodeException(NotOpen(id));

    /// <summary>What a call is told whose transaction has no session here.</summary>
    public static NodeError NotOpen(TransactionId id) => new(
        NodeCodes.TransactionNotOpen, "The transaction is not open on this node.", id.ToString(), "Begin it again with the same id; a node forgets open transactions when it restarts or after an hour of silence.");

    /// <summary>Takes a session out of the list; what it staged goes when its last user is done.</summary>
    public async Task CloseAsync(string repository, TransactionId id)
    {
        GatewaySession? idle;
        lock (_gate)
            idle = Remove((repository, id));
        if (idle is not null)
            await idle.DisposeAsync();
    }

    /// <summary>Forgets sessions nobody has used for <see cref="GatewayLimits.IdleMax"/>.</summary>
    /// <returns>How many.</returns>
    public async Task<int> ExpireAsync()
    {
        List<GatewaySession> expired = [];
        lock (_gate)
        {
            DateTimeOffset before = time.GetUtcNow() - limits.IdleMax;
            foreach (var (key, session) in _sessions.ToArray())
            {
                if (session.Users == 0 && session.UsedAt <= before && Remove(key) is { } idle)
                    expired.Add(idle);
            }
        }

        foreach (GatewaySession session in expired)
            await session.DisposeAsync();
        return expired.Count;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        GatewaySession[] all;
        lock (_gate)
        {
            all = [.. _sessions.Keys.ToArray().Select(Remove).OfType<GatewaySession>()];
        }

        foreach (GatewaySession session in all)
            await session.DisposeAsync();
    }

    internal async ValueTask ReturnAsync(GatewaySession session)
    {
        bool last;
        lock (_gate)
        {
            session.Users--;
            session.UsedAt = time.GetUtcNow();
            last = session is { Closed: true, Users: 0 };
        }

        if (last)
            await session.DisposeAsync();
    }

    private SessionUse Use(GatewaySession session)
    {
        session.Users++;
        session.UsedAt = time.GetUtcNow();
        return new SessionUse(this, session);
    }

    private GatewaySession MakeRoom()
    {
        DateTimeOffset before = time.GetUtcNow() - EvictableAfter;
        GatewaySession? oldest = _sessions.Values.Where(s => s.Users == 0 && s.UsedAt <= before).MinBy(s => s.UsedAt);
        return oldest is null
            ? throw new NodeException(new NodeError(
                NodeCodes.Overloaded, $"{limits.TransactionsMax} transactions are open on this node, all of them in use.", "open transactions", "Come back later, or use another node.", TimeSpan.FromSeconds(5)))
            : Remove((oldest.Repository, oldest.Id))!;
    }

    // Returns the session when nobody uses it, so that the caller disposes it; otherwise its last user does.
    private GatewaySession? Remove((string Repository, TransactionId Id) key)
    {
        if (!_sessions.Remove(key, out GatewaySession? session))
            return null;
        session.Closed = true;
        return session.Users == 0 ? session : null;
    }
}

/// <summary>Keeps a session from expiring while a call uses it.</summary>
public sealed class SessionUse(GatewaySessions sessions, GatewaySession session) : IAsyncDisposable
{
    private bool _returned;

    public GatewaySession Session { get; } = session;

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (_returned)
            return ValueTask.CompletedTask;
        _returned = true;
        return sessions.ReturnAsync(Session);
    }
}
