using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>A repository's state as the journal has it up to an event: what this node's store has followed, and no further. Not thread-safe.</summary>
internal sealed class JournalView(RepositoryId repository, IJournalReader journal)
{
    private RepositoryState _state = RepositoryState.Empty;
    private long _sequence;

    /// <summary>The record files there are, after the event that was asked for last.</summary>
    public RecordBook Records { get; } = new();

    /// <summary>The state after an event; never before one that was asked for.</summary>
    public async Task<RepositoryState> AtAsync(long sequence, CancellationToken ct)
    {
        if (sequence <= _sequence)
            return _state;
        await foreach (var (number, @event) in journal.ReadAsync(PersistenceIds.Repository(repository), _sequence + 1, ct).ConfigureAwait(false))
        {
            if (number > sequence)
                break;
            _state = _state.Apply((IRepositoryEvent)@event);
            Records.Add((IRepositoryEvent)@event);
            _sequence = number;
        }

        return _state;
    }
}
