using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Commit;

/// <content>Revisions with paths that were there before and were removed.</content>
internal sealed partial class CommitBuilder
{
    public async Task<PreparedCommit> BuildReturnAsync(
        RepositoryHead head,
        IReadOnlyCollection<StorePathName> wanted,
        IReadOnlyList<(string Profile, StorePathName Target)> profiles,
        CommitRules rules,
        RepositoryKeys keys,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        ulong indexed = index.Revision;
        if (indexed != head.Revision)
            throw new IndexBehindException(format.Repository, indexed, head.Revision);
        List<StorePathName> absent;
        using (PathLookup committed = index.Paths.OpenLookup())
            absent = [.. wanted.Where(p => committed.Find(p) is null)];
        var bundles = new List<string>();
        Revived? revived = await _revival.BringBackAsync(absent, [], rules, index.Paths, cancellationToken).ConfigureAwait(false);
        try
        {
            if (revived is not null)
                bundles.Add(revived.Digest);
            foreach ((string profile, StorePathName target) in profiles)
                bundles.Add(await ProfileBundleAsync(profile, target, cancellationToken).ConfigureAwait(false));
            if (bundles.Count == 0)
                return new PreparedCommit([], null);
            // Each is decided by itself: a profile whose target stays away is not set.
            PreparedCommit prepared = await BuildAllAsync(head, [.. bundles.Select(b => new CommitMember(Revival.Transaction, b))], rules, keys, now, finish: false, cancellationToken).ConfigureAwait(false);
            return prepared with { Revived = revived?.Objects ?? [] };
        }
        finally
        {
            bundles.ForEach(b => blobs.Delete(b));
        }
    }

    private Task<string> ProfileBundleAsync(string profile, StorePathName target, CancellationToken cancellationToken) => blobs.PutAsync(
        stream =>
        {
            new BundleWriter(stream, new BundleHeader(format.Repository, Revival.Transaction, ConflictPolicy.Keep, profile, target)).Finish();
            return Task.CompletedTask;
        },
        cancellationToken);
}
