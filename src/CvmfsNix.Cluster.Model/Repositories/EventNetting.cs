using CvmfsNix.Cluster.Model.Retention;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What a store does with an event it lacked.</summary>
public enum EventEffect
{
    /// <summary>It takes effect: named files follow it.</summary>
    Apply,

    /// <summary>
    /// A revision that another one has followed. Its paths and objects are taken, it is not served; its own catalogs may have been collected
    /// everywhere and are not asked for.
    /// </summary>
    Pass,

    /// <summary>As <see cref="Pass"/>, but the revision is the one before the newest: clients come from it, so its catalogs are taken too.</summary>
    PassWithCatalogs,

    /// <summary>As <see cref="Pass"/>, but paths it had were removed for good since, and their objects may be nowhere: only its record files are taken.</summary>
    PassRecords,

    /// <summary>As <see cref="PassRecords"/>, but its record files are needed by nobody and may be nowhere as well.</summary>
    PassForgotten,
}

/// <summary>An event and what becomes of it.</summary>
public readonly record struct NettedEvent(long SequenceNumber, IRepositoryEvent Event, EventEffect Effect)
{
    /// <summary>What becomes of it by what later events say of it.</summary>
    /// <param name="expired">Removals by this revision or an earlier one are for good.</param>
    /// <param name="forgotten">Revisions whose record files nobody needs.</param>
    public NettedEvent Knowing(ulong expired, RevisionSet forgotten)
    {
        ArgumentNullException.ThrowIfNull(forgotten);
        if (Effect is not (EventEffect.Pass or EventEffect.PassWithCatalogs) || Event is not RevisionCommitted { Revision.Head.Revision: var revision })
            return this;
        if (forgotten.Contains(revision))
            return this with { Effect = EventEffect.PassForgotten };
        return revision < expired ? this with { Effect = EventEffect.PassRecords } : this;
    }
}

/// <summary>
/// Nets a run of events for a store that is behind: of several revisions only the newest is served, and that with its last tags. Events come
/// in and go out in journal order; the last two revisions and what lies after them are held back until it is known whether more follow. Not
/// thread-safe.
/// </summary>
public sealed class EventNetting
{
    private const int RevisionsHeld = 2;

    private readonly Queue<(long SequenceNumber, IRepositoryEvent Event)> _held = new();
    private int _revisions;
    private int _tags;

    /// <summary>Takes the next event; returns those whose effect is known now.</summary>
    public IReadOnlyList<NettedEvent> Add(long sequenceNumber, IRepositoryEvent @event)
    {
        _held.Enqueue((sequenceNumber, @event));
        _revisions += IsRevision(@event) ? 1 : 0;
        _tags += @event is ITagEvent ? 1 : 0;
        return Release(RevisionsHeld);
    }

    /// <summary>No more events: returns the rest and starts anew.</summary>
    public IReadOnlyList<NettedEvent> End() => Release(0);

    private List<NettedEvent> Release(int keep)
    {
        var released = new List<NettedEvent>();
        while (_held.TryPeek(out var first) && MayGo(first.Event, keep))
        {
            _held.Dequeue();
            _revisions -= IsRevision(first.Event) ? 1 : 0;
            _tags -= first.Event is ITagEvent ? 1 : 0;
            released.Add(new NettedEvent(first.SequenceNumber, first.Event, EffectOf(first.Event)));
        }

        return released;
    }

    // What is known of an event's effect follows from what lies behind it.
    private bool MayGo(IRepositoryEvent @event, int keep) => @event switch
    {
        _ when IsRevision(@event) => _revisions > keep,
        ITagEvent => keep == 0 || _revisions > 0 || _tags > 1,
        _ => true,
    };

    private EventEffect EffectOf(IRepositoryEvent @event) => (IsRevision(@event), @event is ITagEvent, _revisions, _tags) switch
    {
        // The newest revision is served with the tags that were set after it, never without.
        (true, _, 0, 0) => EventEffect.Apply,
        (true, _, 0, _) or (true, _, 1, _) => EventEffect.PassWithCatalogs,
        (true, _, _, _) => EventEffect.Pass,
        (_, true, 0, 0) => EventEffect.Apply,
        (_, true, _, _) => EventEffect.Pass,
        _ => EventEffect.Apply,
    };

    private static bool IsRevision(IRepositoryEvent @event) => @event is RepositoryCreated or RevisionCommitted;
}
