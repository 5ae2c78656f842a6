using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Persistence.Query;
using Akka.Persistence.Sql.Query;
using Akka.Streams;
using Akka.Streams.Dsl;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <summary>Reads histories without being their writer.</summary>
internal interface IJournalReader
{
    /// <summary>The events from a sequence number on, in order and without gaps, up to the end at the time of the call.</summary>
    IAsyncEnumerable<(long SequenceNumber, object Event)> ReadAsync(string persistenceId, long from, CancellationToken ct);
}

/// <inheritdoc/>
internal sealed class JournalReader(ActorSystem system) : IJournalReader
{
    private readonly SqlReadJournal _journal = PersistenceQuery.Get(system).ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier);
    private readonly ActorMaterializer _materializer = ActorMaterializer.Create(system);

    public async IAsyncEnumerable<(long SequenceNumber, object Event)> ReadAsync(string persistenceId, long from, [EnumeratorCancellation] CancellationToken ct)
    {
        long expected = from;
        var events = _journal.CurrentEventsByPersistenceId(persistenceId, from, long.MaxValue).RunAsAsyncEnumerable(_materializer);
        await foreach (var envelope in events.WithCancellation(ct))
        {
            // A gap would be a history that is not the writer's: better to stop than to serve it.
            if (envelope.SequenceNr != expected)
                throw new JournalException($"The journal of {persistenceId} has no event {expected}; the next one is {envelope.SequenceNr}. Restore the database from a backup.");
            expected++;
            yield return (envelope.SequenceNr, envelope.Event);
        }
    }
}
