using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// Deletes from one store what nothing needs, while it is written and served:
/// <code>
/// mark    bundles of transactions, then what the roots reach, then records of removals
/// compare every object that must be here is here, else nothing is deleted; what nothing marked and nobody counted on lately is planned
/// delete  the contents that lie in it are called present no longer, then it goes, unless somebody counted on it meanwhile
/// </code>
/// Whoever builds on an object that is here counts on it first, which gives its file the present time under the lock that a deletion takes as well. So an object is
/// either marked, or young, or nobody knows of it. One run at a time.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="grace">How long an object that nothing needs is kept after it was last counted on.</param>
/// <param name="share">Of the time, how much a run may take; 1 = without pauses.</param>
/// <param name="clock">The time; compared with the times of files.</param>
/// <param name="twice">An object goes only when it was found to be needed by nothing twice, a grace apart: for a store that is not told what was removed when.</param>
public sealed class ObjectCollector(RepositoryStore store, TimeSpan grace, double share, TimeProvider clock, bool twice = false)
{
    private readonly string _folder = Path.Combine(store.Layout.MetaFolder(store.Format.Repository), "collection");

    /// <summary>Runs once, or ends the run of a process that was killed.</summary>
    /// <param name="roots">What must be kept; asked after the bundles were read, so that what is committed meanwhile is in one of the two.</param>
    /// <param name="cancellationToken">Gives up; what was deleted until then is deleted.</param>
    /// <exception cref="DamagedViewException">Something that must be here is not, or is damaged: nothing was deleted.</exception>
    public async Task<CollectionResult> RunAsync(Func<CancellationToken, Task<CollectionRoots>> roots, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(roots);
        var pace = new CollectionPace(share, TimeProvider.System);
        string repository = store.Format.Repository;
        using var marks = new MarkFiles(Path.Combine(store.Layout.WorkFolder(repository), $"collect-{Guid.NewGuid():N}"), store.Format.HashAlgorithm);
        if (CollectionPlan.TryRead(_folder) is { } left)
        {
            await NoteContentsAsync(marks, pace, cancellationToken).ConfigureAwait(false);
            return await DeleteAsync(left, marks, new CollectionResult(0, 0, 0, 0, 0, 0, 0), pace, cancellationToken).ConfigureAwait(false);
        }

        CollectionPlan.Forget(_folder);
        DateTimeOffset begun = clock.GetUtcNow();
        DateTimeOffset cutoff = Cutoff(begun);
        await MarkBundlesAsync(marks, pace, cancellationToken).ConfigureAwait(false);
        long catalogs = await MarkRootsAsync(roots, marks, pace, cancellationToken).ConfigureAwait(false);
        await NoteContentsAsync(marks, pace, cancellationToken).ConfigureAwait(false);
        (CollectionPlan plan, CollectionResult result) = await CompareAsync(marks, begun, cutoff, pace, cancellationToken).ConfigureAwait(false);
        result = result with { Catalogs = catalogs };
        Planned?.Invoke(result);
        Reach(StepNames.CollectPlanned);
        return await DeleteAsync(plan, marks, result, pace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Called when it is known what may go and nothing is deleted yet.</summary>
    public Action<CollectionResult>? Planned { get; init; }

    /// <summary>For tests: called at every step; what it throws ends the run as a kill would.</summary>
    internal Action<string>? At { get; set; }

    private void Reach(string step)
    {
        At?.Invoke(step);
        StepProbe.At(step, store.Format.Repository);
    }

    private DirectoryObjectStore Objects => (DirectoryObjectStore)store.Objects;

    // What has come for a revision that is not served yet is needed by nothing that can be seen. However long it takes, it came or was counted on since it was begun.
    private DateTimeOffset Cutoff(DateTimeOffset now) => store.FillingSince is { } filling && filling < now - grace ? filling : now - grace;

    // A sealed transaction needs all of its bundle; whether a bundle is still needed is for others to say, and until then it is.
    private async Task MarkBundlesAsync(MarkFiles marks, CollectionPace pace, CancellationToken cancellationToken)
    {
        foreach (string digest in store.Blobs.List())
        {
            await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            if (store.Blobs.OpenRead(digest) is not { } look || BundleReader.TryReadHeader(look, digest) is null || store.Blobs.OpenRead(digest) is not { } file)
                continue;
            using var bundle = new BundleReader(file, store.Format.HashAlgorithm, digest);
            foreach (PathRecord path in bundle.Paths())
            {
                // What of it was never here is for the transaction to complain of.
                foreach (DeltaObject o in path.Objects)
                    marks.Mark(o.Name, required: false);
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<long> MarkRootsAsync(Func<CancellationToken, Task<CollectionRoots>> ask, MarkFiles marks, CollectionPace pace, CancellationToken cancellationToken)
    {
        var marker = new CatalogMarker(store.Objects, marks, pace, store.Layout.WorkFolder(store.Format.Repository));
        CollectionRoots roots = await ask(cancellationToken).ConfigureAwait(false);
        Reach(StepNames.CollectMark);
        // A revision may be superseded, and its catalogs deleted, before it is its turn. Roots of later are as good: what is new in them was counted on since.
        while (await MarkWalkedAsync(marker, roots.Walked, cancellationToken).ConfigureAwait(false) is var (missed, problem))
        {
            roots = await ask(cancellationToken).ConfigureAwait(false);
            if (roots.Walked.Contains(missed))
                throw problem;
        }

        foreach (ObjectHash root in roots.IfThere)
            await marker.MarkWhatIsThereAsync(root, cancellationToken).ConfigureAwait(false);
        foreach (ObjectHash hash in roots.ByName)
        {
            foreach (ObjectKind kind in (ReadOnlySpan<ObjectKind>)[ObjectKind.Catalog, ObjectKind.History, ObjectKind.Certificate])
                marks.Mark(new ObjectName(hash, kind), required: false);
        }

        // A mirror that came after another key took over has never had it.
        marks.Mark(new ObjectName(store.Format.Certificate, ObjectKind.Certificate), required: false);
        marks.Mark(CatalogRows.EmptyObject(store.Format.HashAlgorithm), required: true);
        if (store.Served is { } served)
        {
            marks.Mark(new ObjectName(served.Certificate, ObjectKind.Certificate), required: true);
            if (served.History is { } history)
                MarkTags(marks, new ObjectName(history, ObjectKind.History));
            if (served.MetaInfo is { } info)
                marks.Mark(new ObjectName(info, ObjectKind.MetaInfo), required: true);
        }

        foreach (string digest in roots.Removals)
        {
            Stream file = store.Blobs.OpenRead(digest) ?? throw new DamagedViewException($"The record file {digest} of removed paths is not there. Nothing is collected until it is back.");
            foreach (PathRecord path in PathInfoFile.ReadRemoved(file, store.Format.HashAlgorithm, digest))
            {
                // A store that came later was never asked for them.
                foreach (DeltaObject o in path.Objects)
                    marks.Mark(o.Name, required: false);
                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        return marker.Catalogs;
    }

    private static async Task<(ObjectHash Root, DamagedViewException Problem)?> MarkWalkedAsync(CatalogMarker marker, IEnumerable<ObjectHash> roots, CancellationToken cancellationToken)
    {
        foreach (ObjectHash root in roots)
        {
            try
            {
                await marker.MarkAsync(root, cancellationToken).ConfigureAwait(false);
            }
            catch (DamagedViewException e)
            {
                return (root, e);
            }
        }

        return null;
    }

    // Here now; later it may be superseded and deleted.
    private void MarkTags(MarkFiles marks, ObjectName tags)
    {
        if (!store.Objects.Contains(tags))
            throw Missing(tags);
        marks.Mark(tags, required: false);
    }

    private async Task NoteContentsAsync(MarkFiles marks, CollectionPace pace, CancellationToken cancellationToken)
    {
        foreach ((ContentDigest digest, ObjectName name) in store.Index.ContentObjects())
        {
            marks.Note(digest, name);
            await pace.StepAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(CollectionPlan Plan, CollectionResult Result)> CompareAsync(
        MarkFiles marks, DateTimeOffset begun, DateTimeOffset cutoff, CollectionPace pace, CancellationToken cancellationToken)
    {
        using var plan = new CollectionPlan.Writer(_folder, cutoff, begun);
        using Sightings? sightings = twice ? new Sightings(Path.Combine(_folder, "seen"), begun, grace) : null;
        var result = new CollectionResult(0, 0, 0, 0, 0, 0, 0);
        for (int part = 0; part < 256; part++)
        {
            Dictionary<ObjectName, bool> needed = marks.Marks((byte)part);
            var unneeded = new List<ObjectName>();
            var sizes = new Dictionary<ObjectName, long>();
            foreach ((ObjectName name, long size, DateTimeOffset at) in Objects.List((byte)part))
            {
                if (needed.Remove(name))
                    result = result with { LiveObjects = result.LiveObjects + 1, LiveBytes = result.LiveBytes + size };
                else if (at >= cutoff)
                    result = result with { YoungObjects = result.YoungObjects + 1, YoungBytes = result.YoungBytes + size };
                else
                {
                    unneeded.Add(name);
                    sizes[name] = size;
                }

                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }

            // A file that came while the directory was listed need not have been seen.
            if (needed.Where(n => n.Value && !Objects.Contains(n.Key)).Select(n => (ObjectName?)n.Key).FirstOrDefault() is { } missing)
                throw Missing(missing);
            foreach (ObjectName name in sightings?.Due((byte)part, unneeded) ?? unneeded)
            {
                plan.Add(name);
                result = result with { PlannedObjects = result.PlannedObjects + 1, PlannedBytes = result.PlannedBytes + sizes[name] };
            }
        }

        sightings?.Complete();
        return (plan.Complete(), result);
    }

    private static DamagedViewException Missing(ObjectName name) =>
        new($"The object {name} is needed by what is served and is not there. Nothing is collected until it is back: bring it from another store, or let the store be scrubbed.");

    private async Task<CollectionResult> DeleteAsync(CollectionPlan plan, MarkFiles marks, CollectionResult result, CollectionPace pace, CancellationToken cancellationToken)
    {
        foreach ((byte part, HashSet<ObjectName> names) in plan.Parts())
        {
            // The clock was set back: what is counted on now looks older than the plan allows for. The next run begins anew.
            if (clock.GetUtcNow() < plan.Begun)
                break;
            // Before the objects: who asks from here on is told to send them.
            store.Index.ForgetContents(marks.Contents(part, names));
            Reach(StepNames.CollectForgotten);
            bool any = false;
            foreach (ObjectName name in names)
            {
                if (Objects.DeleteOlder(name, plan.Cutoff) is { } size)
                {
                    any = true;
                    result = result with { DeletedObjects = result.DeletedObjects + 1, DeletedBytes = result.DeletedBytes + size };
                }

                await pace.StepAsync(cancellationToken).ConfigureAwait(false);
            }

            // Those too that a process deleted which was killed before it said so.
            store.Index.RemoveObjects([.. names.Where(n => !Objects.Contains(n))]);
            if (any)
                Reach(StepNames.CollectDeleted);
        }

        plan.Delete();
        return result;
    }
}
