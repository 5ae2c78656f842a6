using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.Objects;

/// <summary>Looks at every object of files and chunks: whether it is there, or, deep, whether it is what its name and its rows say.</summary>
internal sealed class ObjectPass(VerifyRun run, ObjectReader reader)
{
    // Where the row cannot be relied on, only this bounds the work on one object.
    private const long UnknownSizeMax = 64L * 1024 * 1024 * 1024;

    public Task CheckAsync(NeededObjects needed, CancellationToken cancellationToken)
    {
        run.FoundObjects(needed.Count());
        var options = new ParallelOptions { MaxDegreeOfParallelism = run.Options.Parallelism, CancellationToken = cancellationToken };
        return Parallel.ForEachAsync(needed.ByObject(), options, async (needs, token) =>
        {
            if (run.Options.Deep)
                await ReadAsync(needs, token).ConfigureAwait(false);
            else
                await FindAsync(needs.MinBy(n => n.Size == 0 ? 0 : 1)!, token).ConfigureAwait(false);
            run.DidObject();
        });
    }

    private async Task FindAsync(NeededObjects.Need need, CancellationToken cancellationToken)
    {
        if (!await run.ExistsAsync(need.Name.RelativePath, cancellationToken).ConfigureAwait(false))
            Report(need, VerifyRules.ObjectMissing, "The object is not there.");
        else if (need.Size == 0 && need.Compression == CompressionAlgorithm.Zlib && need.Name.Hash == ObjectHasher.Hash(need.Name.Hash.Algorithm, []))
            Report(need, VerifyRules.EmptyObject, $"Empty content is stored as no bytes at all, not as {Convert.ToHexStringLower(ObjectCompression.Empty)}.");
    }

    private async Task ReadAsync(IReadOnlyList<NeededObjects.Need> needs, CancellationToken cancellationToken)
    {
        foreach (IGrouping<CompressionAlgorithm, NeededObjects.Need> same in needs.GroupBy(n => n.Compression))
        {
            NeededObjects.Need first = same.First();
            // Up to the longest content any row expects; one byte more is enough to know that it is too long.
            long max = same.Any(n => n.Size == ObjectReference.SizeUnknown) ? UnknownSizeMax : same.Max(n => n.Size);
            ObjectCheck check = await reader.ReadAsync(first.Name, same.Key, max, null, cancellationToken).ConfigureAwait(false);
            if (check.State == ObjectState.TooLong)
            {
                foreach (NeededObjects.Need need in same)
                    Report(need, VerifyRules.ObjectSize, $"The row says {need.Size} bytes, the content is longer.");
                continue;
            }

            if (check.Rule is { } rule)
            {
                Report(first, rule, check.Message);
                return;
            }

            foreach (NeededObjects.Need need in same.Where(n => n.Size != ObjectReference.SizeUnknown && n.Size != check.ContentBytes))
                Report(need, VerifyRules.ObjectSize, $"The row says {need.Size} bytes, the content has {check.ContentBytes}.");
        }
    }

    private void Report(NeededObjects.Need need, string rule, string message) =>
        run.Findings.Add(new Finding(rule, need.Path, need.Catalog, need.Name.ToString(), message));
}
