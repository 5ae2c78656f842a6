using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.NixDatabases;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Commit;

/// <content>Revisions without some of the paths of the one before.</content>
internal sealed partial class CommitBuilder
{
    public async Task<CommittedRevision?> BuildRemovalAsync(
        RepositoryHead head,
        IReadOnlyCollection<StorePathName> paths,
        bool keepNeeded,
        IReadOnlyList<ProfileGeneration> drop,
        RepositoryKeys keys,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        ulong indexed = index.Revision;
        if (indexed != head.Revision)
            throw new IndexBehindException(format.Repository, indexed, head.Revision);
        HashSet<StorePathName> gone = [];
        using (PathLookup committed = index.Paths.OpenLookup())
            gone.UnionWith(paths.Where(p => committed.Find(p) is not null));
        await EnsureWorkingAsync(head, cancellationToken).ConfigureAwait(false);
        try
        {
            return await BuildRemovalAsync(head, gone, keepNeeded, drop, keys, now, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Discard();
            throw;
        }
    }

    private async Task<CommittedRevision?> BuildRemovalAsync(
        RepositoryHead head,
        HashSet<StorePathName> gone,
        bool keepNeeded,
        IReadOnlyList<ProfileGeneration> drop,
        RepositoryKeys keys,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        WorkingCatalogs working = _working!;
        working.BeforeStored = BeforeStored;
        var generations = working.Generations();
        if (keepNeeded)
        {
            // No profile is left to lead into the void: what one is at, or an older generation that was not given up, stays.
            HashSet<ProfileGeneration> given = [.. drop];
            foreach ((ProfileGeneration generation, bool current) in generations)
            {
                if (current || !given.Contains(generation))
                    gone.Remove(generation.Target);
            }

            KeepNeeded(gone, cancellationToken);
        }
        else
        {
            HashSet<StorePathName> free = [.. gone];
            KeepNeeded(free, cancellationToken);
            if (gone.Count > free.Count)
                throw new ArgumentException($"{gone.First(g => !free.Contains(g))} is to be removed, and a path that stays needs it.", nameof(gone));
        }

        // What is to go without anything being kept for it takes generations along that lead to paths which stay.
        List<ProfileGeneration> dropped = [.. generations.Select(g => g.Generation).Where(g => gone.Contains(g.Target) || (!keepNeeded && drop.Contains(g)))];
        if (gone.Count == 0 && dropped.Count == 0)
            return null;
        using ExpectedRemoval? expected = Guarded ? _guard.BeginRemoval(head, working.StoreFile, gone, cancellationToken) : null;
        var taken = new DeltaExpectation(format);
        working.Begin();
        NixDatabase? database = OpenDatabase(working, now, cancellationToken);
        database?.Begin();
        dropped.ForEach(working.RemoveGeneration);
        DateTimeOffset at = WholeSeconds(now) is var whole && whole > head.ManifestAt ? whole : head.ManifestAt;
        ulong number = head.Next;
        await using ObjectBatch batch = objects.BeginBatch();
        DeltaObject[] fixedObjects = await AddFixedAsync(batch, keys, cancellationToken).ConfigureAwait(false);
        string infos = await blobs.PutAsync(
            async stream =>
            {
                await using var buffer = new BufferedStream(stream, 1 << 16);
                var file = new PathInfoFileWriter(buffer);
                foreach (StorePathName path in gone.Order())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    PathRecord record = TakeOut(working, path);
                    taken.Add(record);
                    file.WriteRemoved(record);
                }

                file.Finish();
            },
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<ObjectName> made = [];
        if (database is not null)
        {
            // Always: it must not have a path that the tree lacks.
            database.Remove(gone);
            database.Commit();
            database.CompactIfSparse();
            made = await StoreDatabaseAsync(database, working, batch, number, cancellationToken).ConfigureAwait(false);
        }

        StepProbe.At(StepNames.RemovalEdited, format.Repository);
        HotCatalogs catalogs = await working.StoreAsync(batch, number, at, cancellationToken, compact: true).ConfigureAwait(false);
        var draft = new Draft(
            number,
            at,
            catalogs,
            new RepositoryTag(TrunkPrevious, head.RootHash, head.Revision, head.PublishedAt, head.RootSize, "default undo target"),
            head.NamedTags,
            head.Paths - gone.Count);
        DeltaObject tags = await AddTagsAsync(batch, draft, cancellationToken).ConfigureAwait(false);
        string delta = await blobs.PutAsync(
            stream =>
            {
                var file = new DeltaFileWriter(stream);
                foreach (DeltaObject o in (DeltaObject[])[.. fixedObjects, catalogs.Store, catalogs.Root, tags])
                    file.Write(o);
                file.Finish();
                return Task.CompletedTask;
            },
            cancellationToken).ConfigureAwait(false);
        await CompleteAsync(batch, cancellationToken).ConfigureAwait(false);
        CommittedRevision revision = Sign(draft, fixedObjects, tags, keys, infos, delta, Superseded(head), []) with
        {
            PathsRemoved = gone.Count,
            DroppedGenerations = dropped,
            Made = made,
        };
        if (expected is not null)
            _guard.CheckRemoval(head, revision, working.StoreFile, expected, taken, index.Paths, keys.Certificate, cancellationToken);
        return revision;
    }

    // All paths are looked at: this is the moment in which nobody adds one.
    private void KeepNeeded(HashSet<StorePathName> gone, CancellationToken cancellationToken)
    {
        var names = gone.Select(g => g.Value).ToHashSet(StringComparer.Ordinal);
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> going = names.GetAlternateLookup<ReadOnlySpan<char>>();
        var kept = new Queue<StorePathName>();
        foreach ((string path, string references) in index.Paths.Needing(cancellationToken))
        {
            if (names.Contains(path))
                continue;
            foreach (Range reference in references.AsSpan().Split(' '))
            {
                if (going.Remove(references.AsSpan(reference)))
                    kept.Enqueue(StorePathName.Parse(references[reference]));
            }
        }

        // What is kept keeps what it needs; it may have been passed over as one that goes.
        while (kept.TryDequeue(out StorePathName path))
        {
            gone.Remove(path);
            foreach (StorePathName reference in index.Paths.Find(path)?.Info.References ?? [])
            {
                if (names.Remove(reference.Value))
                    kept.Enqueue(reference);
            }
        }
    }

    // With this record the path can be had back, and what only it needs can be told.
    private PathRecord TakeOut(WorkingCatalogs working, StorePathName name)
    {
        IndexedPath indexed = index.Paths.Find(name) ?? throw new InvalidOperationException($"{name} left the index while it was being removed.");
        RepositoryPath path = format.StoreRoot.Combine(name.Value);
        if (working.ReadInline(path) is { } tree)
        {
            working.RemovePath(path, null);
            return new PathRecord { Info = indexed.Info, InlineTree = tree, Objects = [.. PathObjects.Of(tree).Select(Sized)] };
        }

        NestedCatalog nested = working.FindNested(path)!;
        var catalog = new ObjectName(nested.Hash, ObjectKind.Catalog);
        (CatalogCounts total, int links, List<ObjectName> names) = CatalogFile.Summary(objects, catalog, path, workFolder)
            ?? throw new IncompleteStoreException(format.Repository, $"the removal of {name}", [catalog.ToString()]);
        working.RemovePath(path, total);
        return new PathRecord
        {
            Info = indexed.Info,
            Nested = new NestedCatalogRecord(nested.Hash, nested.Size, total, links),
            Objects = [.. names.Append(catalog).Distinct().Select(Sized)],
        };
    }

    private DeltaObject Sized(ObjectName name) => new(name, objects.StoredSize(name) ?? 0);
}
