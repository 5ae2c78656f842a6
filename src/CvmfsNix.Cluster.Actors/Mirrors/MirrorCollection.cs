using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Repositories;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// Deletes from a mirror's stores what its served revision and tags do not need, after a grace of its own: what was found to be needed by nothing twice, a grace
/// apart. A mirror nets events, so nobody tells it what was removed when; and readers may be in the revision before.
/// </summary>
internal sealed class MirrorCollection(Mirror mirror, MirrorOptions options, TimeProvider clock, ILogger<MirrorCollection> log) : BackgroundService
{
    private static readonly TimeSpan PauseMin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PauseMax = TimeSpan.FromHours(6);
    private const double Share = 0.3;

    private readonly Dictionary<string, string> _problems = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (RecordBook Book, long Read)> _books = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromTicks(Math.Clamp(options.GcGrace.Ticks / 2, PauseMin.Ticks, PauseMax.Ticks)));
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            foreach (var position in mirror.Positions)
            {
                if (mirror.Find(position.Repository) is { Served: not null } store)
                    await CollectAsync(position.Repository, store, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    private async Task CollectAsync(string repository, RepositoryStore store, CancellationToken ct)
    {
        try
        {
            var result = await new ObjectCollector(store, options.GcGrace, Share, clock, twice: true).RunAsync(token => RootsAsync(store, token), ct).ConfigureAwait(false);
            await ForgetAsync(repository, store, ct).ConfigureAwait(false);
            _problems.Remove(repository);
            if (result.DeletedObjects > 0)
                log.LogInformation("{Repository}: {Objects} objects of {Bytes} bytes that nothing needs were deleted", repository, result.DeletedObjects, result.DeletedBytes);
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            if (_problems.GetValueOrDefault(repository) != e.Message)
                log.LogError(e, "{Repository}: nothing is collected from this mirror's store", repository);
            _problems[repository] = e.Message;
        }
    }

    // As a core node does it; which record files there are is told by this mirror's own journal.
    private async Task ForgetAsync(string repository, RepositoryStore store, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        if (mirror.Journal is { } journal)
        {
            var (book, read) = _books.GetValueOrDefault(repository, (new RecordBook(), 0));
            await foreach (var (number, @event) in journal.ReadAsync(PersistenceIds.Mirror(repository), read + 1, ct).ConfigureAwait(false))
            {
                if (@event is MirrorApplied applied)
                {
                    foreach (var records in applied.Records)
                        book.Add(records);
                    book.Forget(applied.Forgotten);
                }

                read = number;
            }

            _books[repository] = (book, read);
            var due = book.Deletable();
            var (files, bytes) = await Task.Run(() => store.ForgetRecords(due, now - options.GcGrace), ct).ConfigureAwait(false);
            book.Gone(due.Where(d => !store.Blobs.Contains(d)));
            if (files > 0)
                log.LogInformation("{Repository}: {Files} record files of {Bytes} bytes of revisions of which nothing is left were deleted", repository, files, bytes);
        }

        await store.TrimArchiveAsync(now - options.ArchiveKeep, ct).ConfigureAwait(false);
    }

    /// <summary>
    /// What is served is needed. It may be replaced while this is read: what the new revision shares with the old one is marked, the rest was counted on since its filling began.
    /// </summary>
    internal static async Task<CollectionRoots> RootsAsync(RepositoryStore store, CancellationToken ct)
    {
        var served = store.Served ?? throw new DamagedViewException("Nothing is served.");
        var tags = await store.ReadTagsAsync(ct).ConfigureAwait(false);
        ObjectHash[] others = [.. tags.Select(t => t.RootHash).Where(r => r != served.RootHash).Distinct()];
        ObjectHash[] named = [.. tags.Where(t => TagRules.IsName(t.Name)).Select(t => t.RootHash).Distinct()];
        return new CollectionRoots([served.RootHash, .. others.Where(named.Contains)], [.. served.History is { } history ? [history] : Array.Empty<ObjectHash>()], [])
        {
            IfThere = [.. others.Where(r => !named.Contains(r))],
        };
    }
}
