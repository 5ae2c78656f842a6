using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;

namespace CvmfsNix.Cluster.Recovery.Journals;

/// <summary>A repository as a journal has it, and what a store that follows it from the start does with each revision.</summary>
/// <param name="Definition">What creation fixed.</param>
/// <param name="LastSequence">Number of the last event; 0 = the repository is registered and was never made.</param>
/// <param name="State">After that event.</param>
/// <param name="Revisions">Every revision, oldest first.</param>
internal sealed record RepositoryHistory(
    RepositoryDefinition Definition, long LastSequence, RepositoryState State, IReadOnlyList<(Revision Revision, EventEffect Effect)> Revisions)
{
    /// <summary>Reads it.</summary>
    /// <exception cref="RecoveryException">The journal is damaged.</exception>
    public static RepositoryHistory Read(JournalFile journal, RepositoryDefinition definition)
    {
        string name = PersistenceIds.Repository(definition.Repository);
        ulong expired = 0;
        RevisionSet forgotten = RevisionSet.Empty;
        foreach (var (_, @event) in journal.Read(name))
        {
            expired = @event is RemovalsExpired removals ? Math.Max(expired, removals.UpTo) : expired;
            forgotten = @event is RecordsForgotten records ? forgotten.Union(records.Revisions) : forgotten;
        }

        var state = RepositoryState.Empty;
        var netting = new EventNetting();
        var revisions = new List<(Revision, EventEffect)>();
        long last = 0;
        foreach (var (number, @event) in journal.Read(name))
        {
            var e = (IRepositoryEvent)@event;
            state = state.Apply(e);
            Add(netting.Add(number, e));
            last = number;
        }

        Add(netting.End());
        return new RepositoryHistory(definition, last, state, revisions);

        void Add(IReadOnlyList<NettedEvent> events)
        {
            // As a store does it: what was removed for good by a later revision may be nowhere.
            foreach (var (_, @event, effect) in events.Select(e => e.Knowing(expired, forgotten)))
            {
                Revision? revision = @event switch
                {
                    RepositoryCreated e => e.Initial,
                    RevisionCommitted e => e.Revision,
                    _ => null,
                };
                if (revision is null)
                    continue;
                revisions.Add((revision, effect));
            }
        }
    }
}
