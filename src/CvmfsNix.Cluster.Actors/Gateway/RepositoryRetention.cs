using System.Globalization;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Leadership;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Retention.RetentionProtocol;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <inheritdoc cref="IRepositoryRetention"/>
internal sealed class RepositoryRetention(CoreQuestions questions, LocalRepositories local, TimeProvider clock) : IRepositoryRetention
{
    /// <summary>A commit may be under way; a withdrawal looks at all paths and reads all of the catalog.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WithdrawTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ServedTimeout = TimeSpan.FromSeconds(5);

    public async Task<RetentionView> GetAsync(string fqrn, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        var generations = new List<ProfileGenerationRecord>();
        var pins = new List<PathPin>();
        var withdrawn = new List<Tombstone>();
        var removals = new List<RemovedPaths>();
        while (true)
        {
            int known = new[] { generations.Count, pins.Count, withdrawn.Count, removals.Count }.Max();
            var part = (RetentionIs)await AskAsync(new GetRetention(repository.Definition.Repository, known), AnswerTimeout, fqrn, ct).ConfigureAwait(false);
            generations.AddRange(part.Generations);
            pins.AddRange(part.Pins);
            withdrawn.AddRange(part.Withdrawn);
            removals.AddRange(part.Removals);
            if (!part.More)
            {
                var tags = repository.Backend is StoreBackend backend ? await backend.Store.ReadTagsAsync(ct).ConfigureAwait(false) : [];
                var named = tags.Where(t => TagRules.IsName(t.Name)).Select(t => new TaggedRevision(t.Name, t.Revision));
                return new RetentionView(part.Rules, new RetentionRoots(part.Rules, generations, pins, [.. named]), withdrawn, removals, part.Removal);
            }
        }
    }

    public async Task<RetentionRules> SetAsync(string fqrn, RetentionRules rules, string by, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        if (rules.Problem is { } problem)
            throw new PublishingException(PublishingCodes.InvalidRequest, problem, fqrn, "Choose other rules.");
        return ((RetentionIs)await AskAsync(new SetRetention(repository.Definition.Repository, rules, By(by)), AnswerTimeout, fqrn, ct).ConfigureAwait(false)).Rules;
    }

    public async Task PinAsync(string fqrn, IReadOnlyList<StorePathName> paths, DateTimeOffset until, string by, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        if (until <= clock.GetUtcNow() || until > clock.GetUtcNow() + RetentionRules.KeepRecentMax)
            throw new PublishingException(PublishingCodes.InvalidRequest, $"A pin ends after the present time and within {RetentionRules.KeepRecentMax.TotalDays:0} days, not at {until:u}.", fqrn, "Choose another time.");
        foreach (var part in paths.Chunk(RetentionLimits.PinsAtOnce))
            await AskAsync(new PinPaths(repository.Definition.Repository, part, until, By(by)), AnswerTimeout, fqrn, ct).ConfigureAwait(false);
    }

    public async Task<RetentionPlan> PlanAsync(string fqrn, CancellationToken ct)
    {
        var view = await GetAsync(fqrn, ct).ConfigureAwait(false);
        var repository = local.Require(fqrn);
        if (repository.Backend is not StoreBackend backend)
            return new RetentionPlan(new Dictionary<StorePathName, KeepReason>(), []);
        return await Task.Run(() => RetentionPlanner.Plan(backend.Facts(ct), view.Roots, clock.GetUtcNow()), ct).ConfigureAwait(false);
    }

    public async Task<RemovalIs> RemoveAsync(string fqrn, string by, CancellationToken ct) =>
        (RemovalIs)await AskAsync(new RemovePaths(local.Require(fqrn).Definition.Repository, By(by)), AnswerTimeout, fqrn, ct).ConfigureAwait(false);

    public async Task<RemovalIs> WithdrawAsync(string fqrn, StorePathName path, string reason, string by, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        if (reason.Length is 0 or > RetentionLimits.ReasonLengthMax || reason.Any(char.IsControl))
            throw new PublishingException(PublishingCodes.InvalidRequest, $"A reason has 1 to {RetentionLimits.ReasonLengthMax} characters, none of them a control character.", path.Value, "Say why in a sentence.");
        var answer = (RemovalIs)await AskAsync(new WithdrawPath(repository.Definition.Repository, path, reason, By(by)), WithdrawTimeout, path.Value, ct).ConfigureAwait(false);
        await ServedAsync(repository, answer.SequenceNumber, ct).ConfigureAwait(false);
        return answer;
    }

    public async Task<RolledBack> RollBackAsync(string fqrn, string to, string by, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(to);
        var repository = local.Require(fqrn);
        // A number is a revision, whatever tags are called.
        bool number = ulong.TryParse(to, NumberStyles.None, CultureInfo.InvariantCulture, out ulong revision);
        if (number ? revision == 0 : !TagDatabase.IsValidName(to))
            throw new PublishingException(PublishingCodes.InvalidRequest, $"\"{to}\" is neither a revision nor the name of a tag.", fqrn, "Give the number of a revision, a tag, or trunk-previous.");
        var answer = (RolledBack)await AskAsync(new RollBack(repository.Definition.Repository, revision, number ? "" : to, By(by)), WithdrawTimeout, fqrn, ct).ConfigureAwait(false);
        await ServedAsync(repository, answer.SequenceNumber, ct).ConfigureAwait(false);
        return answer;
    }

    private static async Task ServedAsync(LocalRepository repository, long sequenceNumber, CancellationToken ct)
    {
        try
        {
            await repository.WaitForSequenceAsync(sequenceNumber, ct).WaitAsync(ServedTimeout, ct).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It is in the journal all the same.
        }
    }

    public async Task<IReadOnlyList<string>> TagsWithAsync(string fqrn, StorePathName path, CancellationToken ct)
    {
        if (local.Require(fqrn).Backend is not StoreBackend backend)
            return [];
        var tags = await backend.Store.ReadTagsAsync(ct).ConfigureAwait(false);
        return await Task.Run(() => (IReadOnlyList<string>)[.. tags.Where(t => TagRules.IsName(t.Name) && backend.Store.HasPath(t.RootHash, path)).Select(t => t.Name)], ct).ConfigureAwait(false);
    }

    private async Task<object> AskAsync(IRetentionRequest request, TimeSpan timeout, string what, CancellationToken ct)
    {
        var reply = await questions.AskAsync<Stratum0Leader>(request, timeout, PublishingCodes.OutcomeUnknown, what, ct).ConfigureAwait(false);
        return reply is Failed failed
            ? throw new PublishingException(failed.Code, failed.Message, failed.What, failed.Hint, failed.Code == PublishingCodes.NoLeader ? TimeSpan.FromSeconds(1) : null)
            : reply;
    }

    private static string By(string text)
    {
        string printable = new([.. text.Take(RetentionLimits.ByLengthMax).Select(c => char.IsControl(c) ? '?' : c)]);
        return printable.Length == 0 ? "somebody" : printable;
    }
}
