using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>
/// Sealed transactions that wait for a commit. Bounded; fair between builders: a batch takes one transaction of each builder in turn,
/// each builder's oldest first, so that one builder's flood delays the others by one transaction a round. Not thread-safe.
/// </summary>
/// <remarks>
/// A transaction that lacks a reference is set aside by <see cref="Defer"/>: another transaction may bring it. It is taken again with the
/// batch after, and its patience is what <see cref="Queued.ArrivedAt"/> says.
/// </remarks>
public sealed class CommitQueue(int capacity)
{
    /// <summary>A waiting transaction.</summary>
    /// <param name="Transaction">The transaction.</param>
    /// <param name="ArrivedAt">When it first came.</param>
    /// <param name="Tries">Batches it was part of.</param>
    public sealed record Queued(SealedTransaction Transaction, DateTimeOffset ArrivedAt, int Tries);

    private readonly Dictionary<string, LinkedList<Queued>> _builders = new(StringComparer.Ordinal);
    private readonly LinkedList<string> _turns = [];
    private readonly Dictionary<TransactionId, Queued> _deferred = [];
    private readonly HashSet<TransactionId> _ids = [];
    private int _ready;

    /// <summary>Transactions held, deferred ones included.</summary>
    public int Count => _ready + _deferred.Count;

    /// <summary>Transactions a batch could take now.</summary>
    public int Ready => _ready;

    /// <summary>What is held, in no order.</summary>
    public IEnumerable<(Queued Queued, bool Deferred)> Waiting =>
        _builders.Values.SelectMany(q => q).Select(q => (q, false)).Concat(_deferred.Values.Select(q => (q, true)));

    /// <summary>True when the transaction waits here.</summary>
    public bool Contains(TransactionId id) => _ids.Contains(id);

    /// <summary>Takes a transaction in; false when the queue is full. One that waits already stays where it is.</summary>
    public bool TryAdd(SealedTransaction transaction, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (_ids.Contains(transaction.Id))
            return true;
        if (Count >= capacity)
            return false;
        _ids.Add(transaction.Id);
        Append(new Queued(transaction, now, 0));
        return true;
    }

    /// <summary>Removes the next batch.</summary>
    public IReadOnlyList<Queued> Take(int max)
    {
        var batch = new List<Queued>(Math.Min(max, _ready));
        while (batch.Count < max && _turns.First is { } turn)
        {
            _turns.RemoveFirst();
            var queue = _builders[turn.Value];
            var next = queue.First!.Value;
            queue.RemoveFirst();
            _ready--;
            _ids.Remove(next.Transaction.Id);
            batch.Add(next with { Tries = next.Tries + 1 });
            if (queue.Count > 0)
                _turns.AddLast(turn);
            else
                _builders.Remove(turn.Value);
        }

        return batch;
    }

    /// <summary>Puts a batch back in front, because its commit did not come about.</summary>
    public void Return(IReadOnlyList<Queued> batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        foreach (var queued in batch.Reverse())
        {
            if (!_ids.Add(queued.Transaction.Id))
                continue;
            var queue = Queue(queued.Transaction.Builder, first: true);
            queue.AddFirst(queued);
            _ready++;
        }
    }

    /// <summary>Sets a transaction aside until <see cref="Release"/>.</summary>
    public void Defer(Queued queued)
    {
        ArgumentNullException.ThrowIfNull(queued);
        if (_ids.Add(queued.Transaction.Id))
            _deferred[queued.Transaction.Id] = queued;
    }

    /// <summary>Makes the deferred transactions ready again, oldest first.</summary>
    public void Release()
    {
        foreach (var queued in _deferred.Values.OrderBy(q => q.ArrivedAt).ToList())
            Append(queued);
        _deferred.Clear();
    }

    private void Append(Queued queued)
    {
        Queue(queued.Transaction.Builder, first: false).AddLast(queued);
        _ready++;
    }

    private LinkedList<Queued> Queue(string builder, bool first)
    {
        if (_builders.TryGetValue(builder, out var queue))
            return queue;
        _builders[builder] = queue = [];
        if (first)
            _turns.AddFirst(builder);
        else
            _turns.AddLast(builder);
        return queue;
    }
}
