using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>An event of a repository's history and its place in it.</summary>
/// <param name="Sequence">Its journal sequence number.</param>
/// <param name="Event">The event.</param>
public readonly record struct SequencedEvent(long Sequence, IRepositoryEvent Event);

/// <summary>The last events that took effect here, so that those who follow closely need not read the journal. Thread-safe.</summary>
internal sealed class RecentEvents
{
    /// <summary>How many are kept.</summary>
    public const int Kept = 64;

    private readonly Lock _gate = new();
    private readonly Queue<SequencedEvent> _events = new(Kept);

    public void Add(long sequence, IRepositoryEvent @event)
    {
        lock (_gate)
        {
            if (_events.Count == Kept)
                _events.Dequeue();
            _events.Enqueue(new SequencedEvent(sequence, @event));
        }
    }

    /// <summary>The events after a sequence number; null when they are not all here, empty when there are none.</summary>
    public IReadOnlyList<SequencedEvent>? After(long sequence)
    {
        lock (_gate)
        {
            if (_events.Count == 0 || _events.Peek().Sequence > sequence + 1)
                return null;
            return [.. _events.Where(e => e.Sequence > sequence)];
        }
    }
}
