using CsCheck;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using Xunit;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Tests.Model.Transactions;

public sealed class LedgerStateTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly RepositoryId Repository = RepositoryId.Parse("test.example.org");
    private static readonly LedgerLimits Limits = new(TimeSpan.FromDays(7), TimeSpan.FromHours(1), OpenMax: 2, SealedMax: 3);

    private static RequestDigest Digest(byte b) => new(Enumerable.Repeat(b, 32).ToArray());

    private static SealedTransaction Tx(TransactionId id, byte digest = 1) => new(id, Digest(digest), "bundle", 1, 1, "b");

    private static TransactionOutcome Outcome(TransactionId id, ulong revision) =>
        new(id, TransactionStatus.Committed, false, revision, "root", 1, 0, KeptContent.None, 0, null);

    [Fact]
    public void A_second_decision_never_replaces_the_first()
    {
        var open = new OpenTransactions(Limits.OpenExpiry);
        var id = TransactionId.Create(Now);
        var state = LedgerState.Empty.Apply(new TransactionSealed(Tx(id), Now)).Apply(new TransactionDecided(Outcome(id, 5), Now));
        var (reply, @event) = state.Answer(new Decide(Repository, Outcome(id, 6)), open, Limits, Now);
        Assert.Null(@event);
        Assert.Equal(5UL, Assert.IsType<Decided>(reply).Outcome.Revision);
    }

    [Fact]
    public void An_id_past_the_retention_is_too_old_unless_its_answer_is_known()
    {
        var open = new OpenTransactions(Limits.OpenExpiry);
        var old = TransactionId.Create(Now - TimeSpan.FromDays(7) - TimeSpan.FromMinutes(1));
        Assert.IsType<TooOld>(LedgerState.Empty.Answer(new Seal(Repository, Tx(old)), open, Limits, Now).Reply);
        var known = LedgerState.Empty.Apply(new TransactionSealed(Tx(old), Now)).Apply(new TransactionDecided(Outcome(old, 5), Now));
        Assert.IsType<Decided>(known.Answer(new Seal(Repository, Tx(old)), open, Limits, Now).Reply);
    }

    [Fact]
    public void A_forgotten_id_is_refused_even_when_the_clock_goes_back()
    {
        var open = new OpenTransactions(Limits.OpenExpiry);
        var id = TransactionId.Create(Now);
        var state = LedgerState.Empty.Apply(new TransactionSealed(Tx(id), Now)).Apply(new TransactionDecided(Outcome(id, 5), Now));
        var later = Now + TimeSpan.FromDays(8);
        state = state.Apply(Assert.IsType<TransactionsForgotten>(state.Forget(Limits, later)));
        Assert.Empty(state.Entries);
        Assert.IsType<TooOld>(state.Answer(new Seal(Repository, Tx(id)), open, Limits, Now).Reply);
    }

    [Fact]
    public void A_request_that_found_everything_has_its_answer_on_record()
    {
        var open = new OpenTransactions(Limits.OpenExpiry);
        var id = TransactionId.Create(Now);
        var (reply, @event) = LedgerState.Empty.Answer(new Conclude(Repository, Tx(id), Outcome(id, 5)), open, Limits, Now);
        Assert.Equal(5UL, Assert.IsType<Decided>(reply).Outcome.Revision);
        var state = LedgerState.Empty.Apply(Assert.IsType<TransactionConcluded>(@event));

        var again = state.Answer(new Conclude(Repository, Tx(id), Outcome(id, 6)), open, Limits, Now);
        Assert.Null(again.Event);
        Assert.Equal(5UL, Assert.IsType<Decided>(again.Reply).Outcome.Revision);
        Assert.Equal(5UL, Assert.IsType<Decided>(state.Answer(new GetTransaction(Repository, id), open, Limits, Now).Reply).Outcome.Revision);
        Assert.IsType<IdReused>(state.Answer(new Seal(Repository, Tx(id, 2)), open, Limits, Now).Reply);
        Assert.Empty(state.Undecided);
        Assert.NotNull(state.Forget(Limits, Now + TimeSpan.FromDays(8)));
    }

    [Fact]
    public void An_undecided_transaction_is_never_forgotten()
    {
        var state = LedgerState.Empty.Apply(new TransactionSealed(Tx(TransactionId.Create(Now)), Now));
        Assert.Null(state.Forget(Limits, Now + TimeSpan.FromDays(100)));
    }

    [Fact]
    public void Bounds_are_answered_with_overloaded_and_an_expired_transaction_may_still_be_sealed()
    {
        var open = new OpenTransactions(Limits.OpenExpiry);
        var id = TransactionId.Create(Now);
        open.Touch(id, Digest(1), Now);
        open.Touch(TransactionId.Create(Now), Digest(1), Now);
        Assert.IsType<Overloaded>(LedgerState.Empty.Answer(new Begin(Repository, TransactionId.Create(Now), Digest(1), true), open, Limits, Now).Reply);
        var late = Now + TimeSpan.FromHours(2);
        Assert.Equal(TransactionStatus.Expired, Assert.IsType<NotSealed>(LedgerState.Empty.Answer(new GetTransaction(Repository, id), open, Limits, late).Reply).Status);
        Assert.IsType<TransactionSealed>(LedgerState.Empty.Answer(new Seal(Repository, Tx(id)), open, Limits, late).Event);
        var full = Enumerable.Range(0, 3).Aggregate(LedgerState.Empty, (s, _) => s.Apply(new TransactionSealed(Tx(TransactionId.Create(Now)), Now)));
        Assert.IsType<Overloaded>(full.Answer(new Seal(Repository, Tx(TransactionId.Create(Now))), open, Limits, Now).Reply);
        Assert.IsType<FromTheFuture>(LedgerState.Empty.Answer(new Seal(Repository, Tx(TransactionId.Create(Now + TimeSpan.FromHours(2)))), open, Limits, Now).Reply);
    }

    /// <summary>Builders seal, retry and mix up ids while the writer decides at any time, more than once, and the ledger loses its memory.</summary>
    [Fact]
    public void Whatever_the_order_every_id_has_one_digest_and_one_answer() =>
        Gen.Select(Gen.Int[0, 4], Gen.Int[0, 3], Gen.Int[0, 2]).Array[0, 60].Sample(steps =>
        {
            var ids = Enumerable.Range(0, 5).Select(_ => TransactionId.Create(Now)).ToArray();
            var events = new List<ILedgerEvent>();
            var state = LedgerState.Empty;
            var open = new OpenTransactions(Limits.OpenExpiry);
            var digests = new Dictionary<TransactionId, RequestDigest>();
            var answers = new Dictionary<TransactionId, TransactionOutcome>();
            ulong revision = 1;
            foreach (var (tx, what, digest) in steps)
            {
                var id = ids[tx];
                if (what == 3)
                {
                    state = events.Aggregate(LedgerState.Empty, (s, e) => s.Apply(e));
                    open = new OpenTransactions(Limits.OpenExpiry);
                    continue;
                }

                ITransactionMessage message = what switch
                {
                    0 => new Begin(Repository, id, Digest((byte)digest), true),
                    1 => new Seal(Repository, Tx(id, (byte)digest)),
                    _ => new Decide(Repository, Outcome(id, ++revision)),
                };
                if (message is Decide && !state.Entries.ContainsKey(id))
                    continue;
                var (reply, @event) = state.Answer(message, open, Limits, Now);
                if (@event is not null)
                {
                    events.Add(@event);
                    state = state.Apply(@event);
                }

                if (@event is TransactionSealed s)
                    Assert.True(digests.TryAdd(id, s.Transaction.Digest));
                if (reply is Decided decided)
                    Assert.Equal(answers.TryGetValue(id, out var first) ? first : answers[id] = decided.Outcome, decided.Outcome);
                if (message is Seal seal && digests.TryGetValue(id, out var known) && known != seal.Transaction.Digest)
                    Assert.IsType<IdReused>(reply);
            }
        });
}
