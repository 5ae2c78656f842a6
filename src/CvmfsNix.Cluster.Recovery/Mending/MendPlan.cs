using System.Security.Cryptography;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Recovery.Journals;

namespace CvmfsNix.Cluster.Recovery.Mending;

/// <summary>A row of the journal that is to be appended.</summary>
internal sealed record MendedRow(string PersistenceId, long SequenceNumber, object Event, byte[] Bytes)
{
    public static MendedRow Of(string persistenceId, long sequenceNumber, object @event) => new(persistenceId, sequenceNumber, @event, ClusterSerializer.Bytes(@event));
}

/// <summary>
/// Decides what a journal lacks. Events come back with their own numbers and bytes. Stores archive every event they follow, so a number that no archive tells is a loss: a tag, a
/// withdrawal, a whitelist, or a revision when what comes next does not build on what is before. It is given up on demand alone, and filled by an event that changes nothing.
/// </summary>
internal sealed class MendPlan
{
    /// <summary>Revisions may have been served that none of the witnesses has seen.</summary>
    private const ulong Margin = 1_000;

    private static readonly TimeSpan Before = RepositoryState.SettledMemory * 2;

    private readonly List<MendedRow> _rows = [];

    private MendPlan(MendResult result) => Result = result;

    /// <summary>What it comes to.</summary>
    public MendResult Result { get; private set; }

    /// <summary>To be appended in one step.</summary>
    public IReadOnlyList<MendedRow> Rows => _rows;

    /// <summary>Makes the plan.</summary>
    /// <exception cref="RecoveryException">The journal is of another history, or events are lost and may not be given up.</exception>
    public static MendPlan Make(JournalFile journal, MendRequest request, Witnesses witnesses, DateTimeOffset now)
    {
        var registry = RegistryState.Empty;
        long registryEnd = 0;
        foreach (var (number, @event) in journal.Read(PersistenceIds.Registry))
            (registry, registryEnd) = (registry.Apply((IRegistryEvent)@event), number);
        RepositoryDefinition definition = DefinitionOf(registry, witnesses);
        string name = PersistenceIds.Repository(definition.Repository);
        var state = RepositoryState.Empty;
        var foreign = new List<(long Number, WitnessedEvent Seen)>();
        long last = 0;
        foreach (var (number, @event) in journal.Read(name))
        {
            if (witnesses.Events.TryGetValue(number, out WitnessedEvent? seen) && !ClusterSerializer.Bytes(seen.Event).AsSpan().SequenceEqual(ClusterSerializer.Bytes(@event)))
                foreign.Add((number, seen));
            if (@event is RepositoryContinued { GivenUp: var givenUp })
                foreign.RemoveAll(f => givenUp.Contains(Digest(f.Seen)));
            (state, last) = (state.Apply((IRepositoryEvent)@event), number);
        }

        if (foreign.Count > 0)
        {
            throw new RecoveryException(
                RecoveryCodes.JournalUnusable,
                $"Event {foreign[0].Number} of {definition.Repository} is another in the journal than in the store {foreign[0].Seen.Store}: it is not the journal this store has followed.",
                foreign[0].Seen.Store,
                "restore the journal of this cluster, or leave out that store");
        }

        var plan = new MendPlan(new MendResult(definition.Repository.Value, last, last, 0, 0, 0, "", [], 0));
        long end = last;
        while (end < witnesses.LastSequence && plan.TryAdd(name, end + 1, witnesses, request, ref state, now))
            end++;
        bool behind = end < witnesses.LastSequence || Passed(state) < Math.Max(witnesses.ServedRevision, request.Above);
        if (behind)
            plan.GiveUp(name, ref end, witnesses, request, ref state, now);
        // One that went on above before, and committed nothing since, has nothing to go above of.
        else if (!request.Complete && state.Head is { } head && head.ContinueAfter < head.Revision + Margin)
            plan.Continue(name, head.Revision, ref end, ref state, now);
        if (end > last)
        {
            plan.AnswerLedgers(journal, name, definition, ref end, ref state, now);
            plan.FollowRegistry(registry, registryEnd, definition, state, now);
        }

        plan.Result = plan.Result with { To = end, Revision = state.Head?.Revision ?? 0, RootHash = state.Head?.RootHash.ToString() ?? "", ContinuesAfter = state.Head?.ContinueAfter ?? 0 };
        return plan;
    }

    // A repository made after the backup is in no registry; its first event says what it is.
    private static RepositoryDefinition DefinitionOf(RegistryState registry, Witnesses witnesses) =>
        registry.Repositories.GetValueOrDefault(witnesses.Repository)
        ?? (witnesses.Events.GetValueOrDefault(1)?.Event as RepositoryCreated)?.Definition
        ?? throw new RecoveryException(
            RecoveryCodes.UnknownRepository, $"Neither the journal nor a store knows the creation of {witnesses.Repository}.", witnesses.Repository, "check the name, --data and --journal");

    // Numbers of revisions up to this one are not given out any more.
    private static ulong Passed(RepositoryState state) => state.Head is { } head ? Math.Max(head.Revision, head.ContinueAfter) : 0;

    private static string Digest(WitnessedEvent seen) => Convert.ToHexStringLower(SHA256.HashData(ClusterSerializer.Bytes(seen.Event)));

    private bool TryAdd(string name, long number, Witnesses witnesses, MendRequest request, ref RepositoryState state, DateTimeOffset now)
    {
        if (!witnesses.Events.TryGetValue(number, out WitnessedEvent? seen))
        {
            // What follows may build on what is here all the same; if not, that is found there.
            if (!request.GiveUpLost || state.Definition is null)
                return false;
            Fill(name, number, ref state, now);
            return true;
        }

        if (!Follows(state, seen.Event))
            return false;
        state = state.Apply(seen.Event);
        _rows.Add(new MendedRow(name, number, seen.Event, seen.Bytes));
        Result = Result with { Restored = Result.Restored + 1 };
        return true;
    }

    private void Fill(string name, long number, ref RepositoryState state, DateTimeOffset now)
    {
        var filler = new LeaderStarted(state.Epoch, state.Leader, now);
        state = state.Apply(filler);
        _rows.Add(MendedRow.Of(name, number, filler));
        Result = Result with { Filled = Result.Filled + 1 };
    }

    private static bool Follows(RepositoryState state, IRepositoryEvent @event) => @event switch
    {
        RepositoryCreated => state.Definition is null,
        RevisionCommitted e => state.Head is { } head && e.Revision.Head.Revision == head.Next,
        ITagEvent e => state.Head is { } head && e.State.Head.Revision == head.Revision,
        RepositoryContinued e => state.Head is { } head && e.After >= head.Revision,
        _ => state.Definition is not null,
    };

    private void GiveUp(string name, ref long end, Witnesses witnesses, MendRequest request, ref RepositoryState state, DateTimeOffset now)
    {
        ulong revision = state.Head?.Revision ?? 0;
        ulong served = Math.Max(Math.Max(witnesses.ServedRevision, request.Above), witnesses.Events.Values.Select(e => e.Event).OfType<RevisionCommitted>().Select(e => e.Revision.Head.Revision).DefaultIfEmpty().Max());
        if (revision == 0)
        {
            throw new RecoveryException(
                RecoveryCodes.StoreIncomplete, $"The first events of {witnesses.Repository} are nowhere: there is nothing to go on from.", witnesses.Repository,
                "give the data folder of another core node with --witness, or restore a backup");
        }

        List<ulong> lost = [.. Range(Passed(state) + 1, served)];
        if (!request.GiveUpLost)
        {
            throw new RecoveryException(
                RecoveryCodes.StoreIncomplete,
                $"{(end < witnesses.LastSequence ? $"Event {end + 1}, behind" : "What comes after")} revision {revision} of {witnesses.Repository} is in no archive that was given and can be read; event {witnesses.LastSequence} was seen, and revision {served} served.",
                witnesses.Repository,
                "give the data folder of a core node that has it with --witness; or, if there is none, --give-up-lost: " + lost.Count switch
                {
                    0 => "what it changed is lost, a tag, a pin, a withdrawal or a whitelist, and has to be done again",
                    1 => $"revision {served} is lost, and its paths have to be published again",
                    _ => $"revisions {lost[0]} to {served} are lost, and their paths have to be published again",
                });
        }

        long last = end;
        List<string> givenUp = [.. witnesses.Events.Where(e => e.Key > last).Select(e => Digest(e.Value)).Order(StringComparer.Ordinal)];
        while (end < witnesses.LastSequence)
            Fill(name, ++end, ref state, now);
        Continue(name, Math.Max(served, revision), ref end, ref state, now, givenUp);
        Result = Result with { LostRevisions = lost };
    }

    private void Continue(string name, ulong above, ref long end, ref RepositoryState state, DateTimeOffset now, IReadOnlyList<string>? givenUp = null)
    {
        var continued = new RepositoryContinued(state.Head!.Revision, checked(above + Margin), now, givenUp ?? []);
        state = state.Apply(continued);
        _rows.Add(MendedRow.Of(name, ++end, continued));
    }

    private static IEnumerable<ulong> Range(ulong from, ulong to)
    {
        for (ulong i = from; i <= to; i++)
            yield return i;
    }

    // The ledgers are as old as the journal. What they offer again and is decided in an event that came back, they are to be told; what they do not know of, nobody
    // waits for any more. A confirmation that came back must not keep a retry waiting, so it is made an old one.
    private void AnswerLedgers(JournalFile journal, string name, RepositoryDefinition definition, ref long end, ref RepositoryState state, DateTimeOffset now)
    {
        HashSet<Model.Ids.TransactionId> waiting = [.. journal.Undecided(definition.Repository).Select(t => t.Id)];
        List<TransactionOutcome> decided =
        [
            .. _rows.SelectMany(r => r.Event switch
            {
                RevisionCommitted e => e.Outcomes,
                TransactionsDecided e => e.Outcomes,
                _ => [],
            }).Where(o => waiting.Contains(o.Id)).DistinctBy(o => o.Id),
        ];
        List<Model.Ids.TransactionId> forgotten = [.. state.Unsettled.Keys.Where(id => !waiting.Contains(id) && _rows.Any(r => Decides(r.Event, id)))];
        Append(new TransactionsDecided([], forgotten, now - Before), ref end, ref state);
        Append(new TransactionsDecided(decided, [], now), ref end, ref state);

        void Append(TransactionsDecided e, ref long at, ref RepositoryState after)
        {
            after = after.Apply(e);
            _rows.Add(MendedRow.Of(name, ++at, e));
        }
    }

    private static bool Decides(object @event, Model.Ids.TransactionId id) => @event switch
    {
        RevisionCommitted e => e.Outcomes.Any(o => o.Id == id),
        TransactionsDecided e => e.Outcomes.Any(o => o.Id == id),
        _ => false,
    };

    // The next leader's epoch has to be above all that were.
    private void FollowRegistry(RegistryState registry, long registryEnd, RepositoryDefinition definition, RepositoryState state, DateTimeOffset now)
    {
        if (!registry.Contains(definition.Repository))
            _rows.Add(MendedRow.Of(PersistenceIds.Registry, ++registryEnd, new RepositoryRegistered(definition, now)));
        if (state.Epoch > registry.Epoch)
            _rows.Add(MendedRow.Of(PersistenceIds.Registry, ++registryEnd, new LeadershipTaken(state.Epoch, state.Leader, now)));
    }
}
