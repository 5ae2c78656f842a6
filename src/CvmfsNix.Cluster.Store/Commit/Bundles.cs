using System.Collections;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Catalogs;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>The bundles of a batch, read twice: once for the plan, once, merged by path, for the catalogs.</summary>
internal sealed class Bundles(RepositoryFormat format, BlobFolder blobs, IReadOnlyList<CommitMember> batch)
{
    /// <summary>Header and plan input of each member, or why it cannot be taken.</summary>
    public IReadOnlyList<(BundleHeader Header, PlannedMember? Member, Rejection? Rejection)> ReadForPlan(CancellationToken cancellationToken)
    {
        RequireAll();
        // References repeat the same few names over and over; one string each keeps a plan of many thousand paths small.
        var names = new Dictionary<StorePathName, StorePathName>();
        var read = new List<(BundleHeader, PlannedMember?, Rejection?)>(batch.Count);
        foreach (CommitMember member in batch)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using BundleReader bundle = Open(member);
            if (Problem(member, bundle.Header) is { } problem)
            {
                read.Add((bundle.Header, null, problem));
                continue;
            }

            var paths = new List<PlannedPath>();
            foreach (PathRecord record in bundle.Paths())
            {
                PathInfo info = record.Info;
                paths.Add(new PlannedPath(Intern(info.Path), info.NarHash, info.References.Count == 0 ? [] : info.References.Select(Intern).ToArray(), info.ContentAddress is not null));
            }

            read.Add((bundle.Header, new PlannedMember(member.Transaction, bundle.Header.Conflict, bundle.Header.ProfileTarget, paths), null));
        }

        return read;

        StorePathName Intern(StorePathName name)
        {
            if (names.TryGetValue(name, out StorePathName known))
                return known;
            names.Add(name, name);
            return name;
        }
    }

    /// <summary>The records of the chosen paths, ascending by path, with the member each comes from.</summary>
    /// <param name="chosen">Per member, which of its paths, by their place in its bundle; no path of two members. Bits and not names: a batch may bring very many.</param>
    public IEnumerable<(int Member, PathRecord Record)> Merge(IReadOnlyList<BitArray> chosen)
    {
        var open = new PriorityQueue<(int Member, int Place, IEnumerator<PathRecord> Paths), StorePathName>();
        var readers = new List<BundleReader>();
        try
        {
            for (int member = 0; member < chosen.Count; member++)
            {
                if (!chosen[member].HasAnySet())
                    continue;
                BundleReader reader = Open(batch[member]);
                readers.Add(reader);
                Advance(member, 0, reader.Paths().GetEnumerator());
            }

            while (open.TryDequeue(out (int Member, int Place, IEnumerator<PathRecord> Paths) next, out _))
            {
                yield return (next.Member, next.Paths.Current);
                Advance(next.Member, next.Place + 1, next.Paths);
            }
        }
        finally
        {
            foreach (BundleReader reader in readers)
                reader.Dispose();
        }

        void Advance(int member, int place, IEnumerator<PathRecord> paths)
        {
            for (; paths.MoveNext(); place++)
            {
                if (place < chosen[member].Length && chosen[member][place])
                {
                    open.Enqueue((member, place, paths), paths.Current.Info.Path);
                    return;
                }
            }
        }
    }

    private void RequireAll()
    {
        string[] missing = [.. batch.Where(m => !blobs.Contains(m.BundleDigest)).Select(m => m.BundleDigest)];
        if (missing.Length > 0)
            throw new IncompleteStoreException(format.Repository, "a batch", missing);
    }

    private BundleReader Open(CommitMember member) => new(
        blobs.OpenRead(member.BundleDigest) ?? throw new IncompleteStoreException(format.Repository, $"transaction {member.Transaction}", [member.BundleDigest]),
        format.HashAlgorithm,
        member.BundleDigest);

    private Rejection? Problem(CommitMember member, BundleHeader header)
    {
        if (header.Repository != format.Repository || header.Transaction != member.Transaction)
        {
            return new Rejection(
                RejectionCodes.InvalidBundle,
                member.Transaction.ToString(),
                $"The bundle of transaction {member.Transaction} is that of {header.Transaction} of {header.Repository}.",
                "Publish again with a new transaction id.");
        }

        if (header.Profile is null != header.ProfileTarget is null)
            return InvalidProfile(header.Profile ?? header.ProfileTarget?.Value ?? "", "a profile and its target come together");
        return header.Profile is { } profile && ProfileLinks.NameProblem(profile) is { } problem ? InvalidProfile(profile, problem) : null;
    }

    private static Rejection InvalidProfile(string profile, string problem) => new(
        RejectionCodes.InvalidProfile, profile, $"\"{profile}\" cannot be a profile: {problem}.", "Choose another profile name.");
}
