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

/// <summary>Reads by whatever actor system the node has at the moment.</summary>
/// <param name="current">The actor system; null between two.</param>
internal sealed class JournalReader(Func<ActorSystem?> current) : IJournalReader
{
    private readonly Lock _gate = new();
    private Source? _source;

    private sealed record Source(ActorSystem System, SqlReadJournal Journal, ActorMaterializer Materializer);

    public async IAsyncEnumerable<(long SequenceNumber, object Event)> ReadAsync(string persistenceId, long from, [EnumeratorCancellation] CancellationToken ct)
    {
        long expected = from;
        var source = Current();
        var events = source.Journal.CurrentEventsByPersistenceId(persistenceId, from, long.MaxValue).RunAsAsyncEnumerable(source.Materializer);
        await foreach (var envelope in events.WithCancellation(ct))
        {
            // A gap would be a history that is not the writer's: better to stop than to serve it.
            if (envelope.SequenceNr != expected)
                throw new JournalException($"The journal of {persistenceId} has no event {expected}; the next one is {envelope.SequenceNr}. Restore the database from a backup.");
            expected++;
            yield return (envelope.SequenceNr, envelope.Event);
        }
    }

    private Source Current()
    {
        lock (_gate)
        {
            var system = current() ?? throw new JournalUnavailableException("This node has no actor system at present.");
            if (_source?.System != system)
                _source = new Source(system, PersistenceQuery.Get(system).ReadJournalFor<SqlReadJournal>(SqlReadJournal.Identifier), ActorMaterializer.Create(system));
            return _source;
        }
    }
}
