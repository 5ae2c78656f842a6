using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>
/// A builder that was told a path is there does not send it; a removal may have come in between. As long as the objects of the path are kept,
/// such a publish wins: the batch brings the path back, with everything it needs, from the record of its removal.
/// </summary>
internal sealed class Revival(RepositoryFormat format, IObjectStore objects, BlobFolder blobs)
{
    private const int CheckedAtOnce = 4096;

    /// <summary>No builder's: the all-zero id.</summary>
    public static readonly Guid Transaction = Guid.Empty;

    /// <summary>
    /// Writes a bundle of the paths that the batch needs and that were removed; null when it needs none, or none can be had back. A path any object of which is lost cannot:
    /// who needs it lacks a reference, and holds up nobody else. The bundle is the caller's to delete; one that a kill left behind is the sweep's.
    /// </summary>
    public async Task<Revived?> BringBackAsync(IReadOnlyList<CommitMember> members, CommitRules rules, PathIndex committed, CancellationToken cancellationToken)
    {
        return rules.Removals.Count == 0 ? null : await BringBackAsync(Needed(members, committed, cancellationToken), members, rules, committed, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same for paths that are wanted for themselves.</summary>
    /// <param name="needed">Not there now.</param>
    /// <param name="members">What comes with them.</param>
    /// <param name="rules">What was removed and taken back.</param>
    /// <param name="committed">The paths there are.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<Revived?> BringBackAsync(
        IReadOnlyCollection<StorePathName> needed, IReadOnlyList<CommitMember> members, CommitRules rules, PathIndex committed, CancellationToken cancellationToken)
    {
        if (needed.Count == 0)
            return null;

        // What was removed last counts: content never changes, but a path may have come and gone more than once.
        var records = new SortedDictionary<StorePathName, PathRecord>();
        var open = new HashSet<StorePathName>(needed);
        var looked = new HashSet<StorePathName>();
        while (open.Count > 0)
        {
            looked.UnionWith(open);
            var next = new HashSet<StorePathName>();
            foreach (string digest in rules.Removals.Reverse())
            {
                if (open.Count == 0)
                    break;
                if (blobs.OpenRead(digest) is not { } file)
                    continue;
                foreach (PathRecord record in PathInfoFile.ReadRemoved(file, format.HashAlgorithm, digest))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!open.Contains(record.Info.Path) || rules.Withdrawn.ContainsKey(record.Info.Path))
                        continue;
                    open.Remove(record.Info.Path);
                    records.Add(record.Info.Path, record);
                    next.UnionWith(record.Info.References.Where(r => !looked.Contains(r) && committed.Find(r) is null));
                }
            }

            open = next;
        }

        await RemoveLostAsync(records, rules, cancellationToken).ConfigureAwait(false);
        RemoveUnclosed(records, committed, members, cancellationToken);
        return records.Count == 0
            ? null
            : new Revived(await WriteAsync(records.Values, cancellationToken).ConfigureAwait(false), [.. records.Values.SelectMany(r => r.Objects).Select(o => o.Name).Distinct()]);
    }

    private HashSet<StorePathName> Needed(IReadOnlyList<CommitMember> members, PathIndex committed, CancellationToken cancellationToken)
    {
        var (needed, brought) = (new HashSet<StorePathName>(), new HashSet<StorePathName>());
        foreach (BundleReader bundle in Open(members))
        {
            using (bundle)
            {
                if (bundle.Header.ProfileTarget is { } target)
                    needed.Add(target);
                foreach (PathRecord record in bundle.Paths())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    brought.Add(record.Info.Path);
                    needed.UnionWith(record.Info.References);
                }
            }
        }

        needed.ExceptWith(brought);
        needed.RemoveWhere(p => committed.Find(p) is not null);
        return needed;
    }

    private async Task RemoveLostAsync(SortedDictionary<StorePathName, PathRecord> records, CommitRules rules, CancellationToken cancellationToken)
    {
        var lost = new HashSet<ObjectName>();
        foreach (ObjectName[] part in records.Values.SelectMany(r => r.Objects).Select(o => o.Name).Distinct().Chunk(CheckedAtOnce))
        {
            IReadOnlyList<ObjectName> missing = await objects.ConfirmDurableAsync(part, cancellationToken).ConfigureAwait(false);
            if (missing.Count > 0)
                lost.UnionWith(rules.Bring is { } bring ? await bring(missing, cancellationToken).ConfigureAwait(false) : missing);
        }

        if (lost.Count == 0)
            return;
        foreach (StorePathName path in records.Values.Where(r => r.Objects.Any(o => lost.Contains(o.Name))).Select(r => r.Info.Path).ToArray())
            records.Remove(path);
    }

    // One that cannot be there would take all others with it.
    private void RemoveUnclosed(SortedDictionary<StorePathName, PathRecord> records, PathIndex committed, IReadOnlyList<CommitMember> members, CancellationToken cancellationToken)
    {
        if (records.Count == 0)
            return;
        var brought = new HashSet<StorePathName>();
        foreach (BundleReader bundle in Open(members))
        {
            using (bundle)
                brought.UnionWith(bundle.Paths().Select(r => r.Info.Path));
        }

        for (bool changed = true; changed;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            StorePathName[] unclosed = [.. records.Values
                .Where(r => r.Info.References.Any(n => !records.ContainsKey(n) && !brought.Contains(n) && committed.Find(n) is null))
                .Select(r => r.Info.Path)];
            foreach (StorePathName path in unclosed)
                records.Remove(path);
            changed = unclosed.Length > 0;
        }
    }

    private IEnumerable<BundleReader> Open(IReadOnlyList<CommitMember> members)
    {
        foreach (CommitMember member in members)
        {
            // A bundle that is not here is complained of when the batch is planned.
            if (blobs.OpenRead(member.BundleDigest) is { } file)
                yield return new BundleReader(file, format.HashAlgorithm, member.BundleDigest);
        }
    }

    private Task<string> WriteAsync(IEnumerable<PathRecord> records, CancellationToken cancellationToken) => blobs.PutAsync(
        stream =>
        {
            var bundle = new BundleWriter(stream, new BundleHeader(format.Repository, Transaction, ConflictPolicy.Keep, null, null) { DespiteWithdrawal = true });
            foreach (PathRecord record in records)
                bundle.Write(record);
            bundle.Finish();
            return Task.CompletedTask;
        },
        cancellationToken);
}

/// <summary>Paths that come back with a batch.</summary>
/// <param name="Digest">The bundle of them.</param>
/// <param name="Objects">What they need.</param>
internal sealed record Revived(string Digest, IReadOnlyList<ObjectName> Objects);
