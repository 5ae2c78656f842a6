using System.Globalization;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Gateway;
using Microsoft.Extensions.Logging;
using RetentionRules = CvmfsNix.Cluster.Model.Retention.RetentionRules;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>What is kept in repositories and what is taken out of them, as operators ask for it.</summary>
public sealed class RetentionAdministration(
    IRepositoryRetention retention, IRepositoryTags tags, ICollectionStatus collections, IReplicationCore replication, TimeProvider clock, ILogger<RetentionAdministration> log)
{
    /// <summary>Paths of one part of a plan.</summary>
    private const int PlannedAtOnce = 2_000;

    private readonly Lock _gate = new();
    private KeptPlan? _plan;

    public async Task<RetentionInfo> GetAsync(GetRetentionRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        return ToMessage(repository, await retention.GetAsync(repository, ct));
    }

    public async Task<RetentionInfo> SetAsync(SetRetentionRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        if (request.Rules is not { } rules)
            throw Requests.Invalid("rules", "No rules were given.");
        if (rules.KeepRecentSeconds < 0 || rules.KeepRecentSeconds > RetentionRules.KeepRecentMax.TotalSeconds)
            throw Requests.Invalid("rules", $"What was published lately can be kept for up to {RetentionRules.KeepRecentMax.TotalDays:0} days.");
        await retention.SetAsync(
            repository, new RetentionRules(rules.Enabled, rules.ProfileGenerations, TimeSpan.FromSeconds(rules.KeepRecentSeconds), rules.Automatic) { Paused = rules.Paused }, request.By, ct);
        log.LogInformation("{Repository}: {By} set the rules of retention: {Rules}", repository, request.By, rules);
        return ToMessage(repository, await retention.GetAsync(repository, ct));
    }

    /// <summary>Stops all removal and deletion on core nodes, or lets them go on; what runs ends within a moment.</summary>
    public async Task PauseAsync(string repository, bool paused, string by, CancellationToken ct)
    {
        RetentionView view = await retention.GetAsync(repository, ct);
        await retention.SetAsync(repository, view.Rules with { Paused = paused }, by, ct);
        log.LogWarning("{Repository}: {By} {What} removal and collection", repository, by, paused ? "paused" : "resumed");
    }

    public async Task<PinPathsReply> PinAsync(PinPathsRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        if (request.Paths.Count is 0 or > PublishingGateway.PathsPerQuestionMax)
            throw Requests.Invalid("paths", $"1 to {PublishingGateway.PathsPerQuestionMax} paths are pinned at once, not {request.Paths.Count}.");
        if (request.Until is < 0 or > 253_402_300_799)
            throw Requests.Invalid("until", "This is no time.");
        StorePathName[] paths = [.. request.Paths.Select(Requests.StorePath).Distinct()];
        await retention.PinAsync(repository, paths, DateTimeOffset.FromUnixTimeSeconds(request.Until), request.By, ct);
        return new PinPathsReply();
    }

    public async Task<PlanRemovalReply> PlanAsync(PlanRemovalRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        if (request.From < 0)
            throw Requests.Invalid("from", "This is no place in a plan.");
        KeptPlan? plan;
        lock (_gate)
            plan = request.Plan.Length > 0 && _plan?.Id == request.Plan && _plan.Repository == repository ? _plan : null;
        if (plan is null)
        {
            if (request.Plan.Length > 0)
                throw Requests.Invalid(request.Plan, "This plan is not kept any more, or another node made it.", "Ask for a new one.");
            plan = new KeptPlan(Guid.NewGuid().ToString("N"), repository, await retention.PlanAsync(repository, ct));
            lock (_gate)
                _plan = plan;
        }

        var reply = new PlanRemovalReply { Plan = plan.Id, Kept = plan.Kept.Length, Removed = plan.Plan.Removed.Count, More = plan.Count > request.From + PlannedAtOnce };
        for (int i = request.From; i < Math.Min(plan.Count, request.From + PlannedAtOnce); i++)
            reply.Paths.Add(plan.At(i));
        return reply;
    }

    public async Task<CollectionInfo> RunAsync(RunRemovalRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        RetentionProtocol.RemovalIs removal = await retention.RemoveAsync(repository, request.By, ct);
        collections.RunSoon(repository);
        return ToMessage(repository, removal, (await retention.GetAsync(repository, ct)).Removals);
    }

    public async Task<CollectionInfo> StatusAsync(GetCollectionRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        RetentionView view = await retention.GetAsync(repository, ct);
        CollectionInfo info = ToMessage(repository, view.Removal, view.Removals);
        info.Paused = view.Rules.Paused;
        if (await HolderAsync(repository, ct) is not { } holder)
            return info;
        info.HeldBy = holder.Key.Replica.Value;
        info.HeldSite = holder.Site;
        info.HeldAt = holder.Position.Revision;
        return info;
    }

    private async Task<ReplicaSummary?> HolderAsync(string repository, CancellationToken ct)
    {
        try
        {
            IReadOnlyList<ReplicaView> replicas = await replication.ListAsync(repository, ct);
            ulong newest = replicas.Select(r => r.Replica.Position.Revision + r.LagRevisions).DefaultIfEmpty().Max();
            return CollectionHold.Holder(replicas.Select(r => r.Replica), newest, clock.GetUtcNow());
        }
        catch (PublishingException)
        {
            // Not every replica could be asked; the rest is worth telling all the same.
            return null;
        }
    }

    public async Task<WithdrawReply> WithdrawAsync(WithdrawRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        string repository = Requests.Repository(request.Repository);
        StorePathName path = Requests.StorePath(request.Path);
        RetentionProtocol.RemovalIs done = await retention.WithdrawAsync(repository, path, request.Reason, request.By, ct);
        log.LogWarning(
            "{Repository}: {By} took {Path} back with everything that needs it, {Paths} paths, in revision {Revision}: {Reason}",
            repository, request.By, path, done.PathsCount, done.Revision, request.Reason);
        var reply = new WithdrawReply { Repository = repository, Path = path.Value, Revision = done.Revision, PathsCount = done.PathsCount };
        reply.Paths.AddRange(done.Paths.Select(p => p.Value));
        foreach (string tag in await retention.TagsWithAsync(repository, path, ct))
        {
            if (request.Tags && await RemovedAsync(repository, tag, ct))
                reply.TagsRemoved.Add(tag);
            else
                reply.TagsLeft.Add(tag);
        }

        return reply;
    }

    private async Task<bool> RemovedAsync(string repository, string tag, CancellationToken ct)
    {
        try
        {
            await tags.RemoveAsync(repository, tag, ct);
            return true;
        }
        catch (PublishingException e) when (e.Code == PublishingCodes.UnknownTag)
        {
            // Removed by somebody else meanwhile.
            return true;
        }
    }

    private RetentionInfo ToMessage(string repository, RetentionView view)
    {
        int old = RetentionPlanner.OldGenerations(view.Roots.Generations, view.Rules.ProfileGenerations).Count;
        var info = new RetentionInfo
        {
            Repository = repository,
            Rules = new Contracts.Publishing.RetentionRules
            {
                Enabled = view.Rules.Enabled,
                ProfileGenerations = view.Rules.ProfileGenerations,
                KeepRecentSeconds = (long)view.Rules.KeepRecent.TotalSeconds,
                Automatic = view.Rules.Automatic,
                Paused = view.Rules.Paused,
            },
            Profiles = view.Roots.Generations.Count - old,
            Pins = view.Roots.Pins.Count(p => p.Until > clock.GetUtcNow()),
        };
        info.Withdrawn.AddRange(view.Withdrawn.Select(t => new WithdrawnPath { Path = t.Path.Value, Reason = t.Reason, By = t.By, At = t.At.ToUnixTimeSeconds() }));
        return info;
    }

    private CollectionInfo ToMessage(string repository, RetentionProtocol.RemovalIs removal, IReadOnlyList<RemovedPaths> waiting)
    {
        CollectionStatus collection = collections.Of(repository);
        var info = new CollectionInfo
        {
            Repository = repository,
            Removing = removal.Running,
            PathsLeft = removal.Left,
            PathsRemoved = removal.Removed,
            RemovalStartedAt = removal.StartedAt.ToUnixTimeSeconds(),
            RemovalEndedAt = removal.EndedAt.ToUnixTimeSeconds(),
            RemovalProblem = removal.Problem,
            Collecting = collection.Running,
            CollectionStartedAt = collection.StartedAt.ToUnixTimeSeconds(),
            CollectionEndedAt = collection.EndedAt.ToUnixTimeSeconds(),
            CollectionProblem = collection.Problem,
            LiveObjects = collection.Result?.LiveObjects ?? 0,
            LiveBytes = collection.Result?.LiveBytes ?? 0,
            YoungObjects = collection.Result?.YoungObjects ?? 0,
            YoungBytes = collection.Result?.YoungBytes ?? 0,
            DeletedObjects = collection.Result?.DeletedObjects ?? 0,
            DeletedBytes = collection.Result?.DeletedBytes ?? 0,
            CollectableObjects = collection.Result?.CollectableObjects ?? 0,
            CollectableBytes = collection.Result?.CollectableBytes ?? 0,
        };
        info.Waiting.AddRange(waiting.Select(r => new RemovedGroup { Revision = r.Revision, At = r.At.ToUnixTimeSeconds(), Paths = r.Paths }));
        return info;
    }

    // The last one asked for; parts of it are told one by one.
    private sealed class KeptPlan(string id, string repository, RetentionPlan plan)
    {
        public string Id => id;

        public string Repository => repository;

        public RetentionPlan Plan => plan;

        public KeyValuePair<StorePathName, KeepReason>[] Kept { get; } = [.. plan.Kept.OrderBy(k => k.Key)];

        public int Count => plan.Removed.Count + Kept.Length;

        public PlannedPath At(int place) => place < plan.Removed.Count
            ? new PlannedPath { Path = plan.Removed[place].Value }
            : Of(Kept[place - plan.Removed.Count]);

        private static PlannedPath Of(KeyValuePair<StorePathName, KeepReason> kept) =>
            new() { Path = kept.Key.Value, Reason = kept.Value.Kind.ToString().ToLower(CultureInfo.InvariantCulture), What = kept.Value.What };
    }
}
