using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Transactions;

/// <summary>
/// Transactions begun and not sealed, in memory only: losing them costs a builder nothing but the answer "open".
/// Not thread-safe; it belongs to one ledger.
/// </summary>
public sealed class OpenTransactions(TimeSpan expiry)
{
    private sealed record Entry(RequestDigest? Digest, DateTimeOffset SeenAt, bool Aborted);

    private readonly Dictionary<TransactionId, Entry> _entries = [];

    /// <summary>Entries kept, expired and aborted ones included.</summary>
    public int Count => _entries.Count;

    /// <summary>What is known here.</summary>
    public IReadOnlyCollection<TransactionId> Ids => _entries.Keys;

    /// <summary>True when the transaction is known here.</summary>
    public bool Contains(TransactionId id) => _entries.ContainsKey(id);

    /// <summary>Opens it, or notes that its builder is alive.</summary>
    public void Touch(TransactionId id, RequestDigest digest, DateTimeOffset now) => _entries[id] = new Entry(digest, now, false);

    /// <summary>Notes that its builder gave it up.</summary>
    public void Abort(TransactionId id, DateTimeOffset now) =>
        _entries[id] = new Entry(_entries.GetValueOrDefault(id)?.Digest, now, true);

    /// <summary>Drops it, because it was sealed.</summary>
    public void Remove(TransactionId id) => _entries.Remove(id);

    /// <summary>True when the id is open for another request.</summary>
    public bool IsReused(TransactionId id, RequestDigest digest) =>
        _entries.TryGetValue(id, out var entry) && entry.Digest is { } known && known != digest;

    /// <summary>Open, Expired or Aborted; null when not known here.</summary>
    public TransactionStatus? Status(TransactionId id, DateTimeOffset now) => _entries.TryGetValue(id, out var entry)
        ? entry.Aborted ? TransactionStatus.Aborted : entry.SeenAt + expiry < now ? TransactionStatus.Expired : TransactionStatus.Open
        : null;

    /// <summary>Drops what expired long ago.</summary>
    public void Sweep(DateTimeOffset now)
    {
        foreach (var id in _entries.Where(p => p.Value.SeenAt + expiry + expiry < now).Select(p => p.Key).ToList())
            _entries.Remove(id);
    }
}
