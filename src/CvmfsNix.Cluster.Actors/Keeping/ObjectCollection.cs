using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Store.Collection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>Deletes from this node's stores what nothing needs, one repository after the other, each store by itself: none waits for another.</summary>
internal sealed class ObjectCollection(LocalRepositories local, IJournalReader journal, CoreOptions options, TimeProvider clock, ILogger<ObjectCollection> log) : BackgroundService, ICollectionStatus
{
    private static readonly TimeSpan LookMin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookMax = TimeSpan.FromMinutes(1);

    /// <summary>Of the time, how much a run takes: publishes and readers go on meanwhile.</summary>
    private const double Share = 0.3;

    private readonly ConcurrentDictionary<string, CollectionStatus> _status = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long Objects, long Bytes)> _deleted = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _wanted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JournalView> _views = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public CollectionStatus Of(string repository) => _status.GetValueOrDefault(repository) ?? CollectionStatus.Never;

    /// <inheritdoc/>
    public (long Objects, long Bytes) DeletedOf(string repository) => _deleted.GetValueOrDefault(repository);

    /// <inheritdoc/>
    public void RunSoon(string repository) => _wanted[repository] = true;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromTicks(Math.Clamp(options.CollectEvery.Ticks / 4, LookMin.Ticks, LookMax.Ticks)));
        var started = clock.GetUtcNow();
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            foreach (var repository in local.All)
            {
                string name = repository.Definition.Repository.Value;
                var last = Of(name).StartedAt is { Ticks: > 0 } at && at > DateTimeOffset.UnixEpoch ? at : started;
                if (_wanted.TryRemove(name, out _) || clock.GetUtcNow() - last >= options.CollectEvery)
                    await CollectAsync(repository, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    private async Task CollectAsync(LocalRepository repository, CancellationToken ct)
    {
        string name = repository.Definition.Repository.Value;
        // Whoever has not followed the journal does not know what is needed.
        if (repository.Backend is not StoreBackend backend || !repository.CaughtUp || repository.Problem is not null || backend.Store.IsIncomplete || backend.Store.Served is null)
            return;
        if (!_views.TryGetValue(name, out var known))
            _views.Add(name, known = new JournalView(repository.Definition.Repository, journal));
        var before = Of(name);
        _status[name] = before with { Running = true, StartedAt = clock.GetUtcNow() };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        void Moved()
        {
            if (repository.Paused)
                stop.Cancel();
        }

        repository.Moved += Moved;
        try
        {
            if ((await known.AtAsync(repository.SeenSequence, ct).ConfigureAwait(false)).Retention.Paused || repository.Paused)
                stop.Cancel();
            stop.Token.ThrowIfCancellationRequested();
            // Nobody says when a piece of the database of Nix was superseded: it may be old, and needed a moment ago.
            var collector = new ObjectCollector(backend.Store, Grace, Share, clock, twice: backend.Store.Format.HasNixDatabase) { Planned = r => _status[name] = Of(name) with { Result = r } };
            var result = await collector.RunAsync(token => RootsAsync(repository, backend, token), stop.Token).ConfigureAwait(false);
            await ForgetAsync(repository, backend, ct).ConfigureAwait(false);
            _status[name] = new CollectionStatus(false, Of(name).StartedAt, clock.GetUtcNow(), result, "");
            _deleted.AddOrUpdate(name, (result.DeletedObjects, result.DeletedBytes), (_, d) => (d.Objects + result.DeletedObjects, d.Bytes + result.DeletedBytes));
            if (result.DeletedObjects > 0)
                log.LogInformation("{Repository}: {Objects} objects of {Bytes} bytes that nothing needs were deleted", name, result.DeletedObjects, result.DeletedBytes);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            // Paused: what was deleted until then is deleted, the rest waits.
            _status[name] = Of(name) with { Running = false, StartedAt = before.StartedAt, Problem = "" };
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            _status[name] = before with { Running = false, StartedAt = Of(name).StartedAt, EndedAt = clock.GetUtcNow(), Problem = e.Message };
            if (before.Problem != e.Message)
                log.LogError(e, "{Repository}: nothing is collected from this node's store", name);
        }
        finally
        {
            repository.Moved -= Moved;
        }
    }

    // What nobody needs of the history: record files of which nothing is left, and archived events that are older than any journal is restored.
    private async Task ForgetAsync(LocalRepository repository, StoreBackend backend, CancellationToken ct)
    {
        string name = repository.Definition.Repository.Value;
        var view = _views[name];
        await view.AtAsync(repository.SeenSequence, ct).ConfigureAwait(false);
        var due = view.Records.Deletable();
        if (due.Count > 0)
        {
            var (files, bytes) = await Task.Run(() => backend.Store.ForgetRecords(due, clock.GetUtcNow() - Grace), ct).ConfigureAwait(false);
            view.Records.Gone(due.Where(d => !backend.Store.Blobs.Contains(d)));
            if (files > 0)
                log.LogInformation("{Repository}: {Files} record files of {Bytes} bytes of revisions of which nothing is left were deleted", name, files, bytes);
        }

        await backend.Store.TrimArchiveAsync(clock.GetUtcNow() - options.ArchiveKeep, ct).ConfigureAwait(false);
    }

    /// <summary>What the journal says is needed, up to what this store has followed: what comes later was counted on when it came, or lies in the bundle of its transaction.</summary>
    internal async Task<CollectionRoots> RootsAsync(LocalRepository repository, StoreBackend backend, CancellationToken ct)
    {
        string name = repository.Definition.Repository.Value;
        if (!_views.TryGetValue(name, out var view))
            _views.Add(name, view = new JournalView(repository.Definition.Repository, journal));
        var state = await view.AtAsync(repository.SeenSequence, ct).ConfigureAwait(false);
        var head = state.Head ?? throw new DamagedViewException("The journal has no revision.");
        var served = backend.Store.Served ?? throw new DamagedViewException("Nothing is served.");
        return new CollectionRoots(
            [.. new[] { served.RootHash, head.RootHash }.Concat(head.NamedTags.Select(t => t.RootHash)).Distinct()],
            [.. state.KeptByName()],
            [.. state.Removals.Select(r => r.Digest)])
        {
            // No removal holds the pieces of the database of Nix that only the tag trunk-previous still needs.
            IfThere = repository.Definition.NixDatabase && head.Previous is { } previous ? [previous.RootHash] : [],
        };
    }

    private TimeSpan Grace => options.GcGrace > options.CatalogsKeep ? options.GcGrace : options.CatalogsKeep;
}
