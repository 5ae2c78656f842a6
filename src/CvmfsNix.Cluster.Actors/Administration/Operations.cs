using Akka.Actor;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Transactions;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <inheritdoc cref="IOperations"/>
internal sealed class Operations(CoreQuestions questions, LocalRepositories local, TimeProvider clock) : IOperations
{
    private const int LedgersAtOnce = 16;
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TransferTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan CommitTimeout = TimeSpan.FromSeconds(10);

    public async Task<IReadOnlyList<TransactionRow>> TransactionsAsync(string fqrn, int max, CancellationToken ct)
    {
        var repository = local.Require(fqrn).Definition.Repository;
        var rows = new List<TransactionRow>();
        foreach (var buckets in Enumerable.Range(0, LedgerBucket.Count).Chunk(LedgersAtOnce))
        {
            var answers = await Task.WhenAll(buckets.Select(b => questions.AskAsync<TransactionLedger>(
                new ListTransactions(repository, b, max), AnswerTimeout, PublishingCodes.NoLeader, fqrn, ct))).ConfigureAwait(false);
            rows.AddRange(answers.Cast<TransactionsAre>().SelectMany(a => a.Transactions).Select(t => new TransactionRow(t.Transaction, t.Status, t.Outcome)));
        }

        return [.. rows.OrderByDescending(r => r.Transaction.Id.ToString(), StringComparer.Ordinal)];
    }

    public async Task<IReadOnlyList<QueueRow>> QueueAsync(string fqrn, CancellationToken ct)
    {
        var answer = await AskWriterAsync(fqrn, r => new GetQueue(r), ct).ConfigureAwait(false);
        return [.. ((QueueIs)answer).Transactions.Select(t => new QueueRow(t.Transaction, t.ArrivedAt, t.Tries, t.State))];
    }

    public async Task<string> TransferLeadershipAsync(CancellationToken ct)
    {
        var answer = await questions.AskAsync<Stratum0Leader>(new Resign("an operator handed it over"), AnswerTimeout, PublishingCodes.NoLeader, "leader", ct).ConfigureAwait(false);
        if (answer is Failed failed)
            throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint);
        var was = (Resigning)answer;
        long started = clock.GetTimestamp();
        while (clock.GetElapsedTime(started) < TransferTimeout)
        {
            if (await questions.LeaderStatusAsync(ct).ConfigureAwait(false) is { } now && now.Epoch > was.Epoch)
                return now.Node;
            await Task.Delay(LookAgain, clock, ct).ConfigureAwait(false);
        }

        throw new PublishingException(PublishingCodes.OutcomeUnknown, $"{was.Node} has given up leading, and no other leader answered within {TransferTimeout.TotalSeconds:0} s.", was.Node, "cluster show tells which members there are.");
    }

    public async Task<DateTimeOffset> RenewWhitelistAsync(string fqrn, CancellationToken ct) =>
        ((WhitelistIs)await ChangeAsync(fqrn, r => new RenewWhitelist(r), ct).ConfigureAwait(false)).ExpiresAt;

    public async Task<KeyRotationIs> RotateKeyAsync(string fqrn, string by, TimeSpan caches, CancellationToken ct) =>
        (KeyRotationIs)await ChangeAsync(fqrn, r => new RotateKey(r, by, caches), ct).ConfigureAwait(false);

    private async Task<object> ChangeAsync(string fqrn, Func<RepositoryId, object> request, CancellationToken ct)
    {
        long started = clock.GetTimestamp();
        while (true)
        {
            var answer = await AskWriterAsync(fqrn, request, ct).ConfigureAwait(false);
            if (answer is not Failed failed)
                return answer;
            // A commit is under way, or the writer starts.
            if (failed.Code != PublishingCodes.Overloaded || clock.GetElapsedTime(started) > CommitTimeout)
                throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint);
            await Task.Delay(LookAgain, clock, ct).ConfigureAwait(false);
        }
    }

    private Task<object> AskWriterAsync(string fqrn, Func<RepositoryId, object> question, CancellationToken ct) =>
        questions.AskAsync<Stratum0Leader>(question(local.Require(fqrn).Definition.Repository), AnswerTimeout, PublishingCodes.NoLeader, fqrn, ct);
}
