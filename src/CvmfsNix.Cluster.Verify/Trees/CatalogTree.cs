using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Objects;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.Trees;

/// <summary>
/// Checks trees of catalogs, several catalogs at once, each catalog once however many revisions share it. An end is certain: a nested catalog
/// lies strictly below its parent's path, and paths are bounded.
/// </summary>
internal sealed class CatalogTree(VerifyRun run, ObjectReader reader, NeededObjects needed) : IDisposable
{
    private const int NeedsBatch = 1000;
    private readonly ConcurrentDictionary<(RepositoryPath Path, ObjectHash Hash, long Size), Lazy<Task<CatalogResult?>>> _known = new();
    private readonly SemaphoreSlim _turns = new(run.Options.Parallelism);

    /// <summary>Checks a catalog and everything below it.</summary>
    /// <param name="path">Where it is mounted.</param>
    /// <param name="hash">Its object.</param>
    /// <param name="size">Inflated bytes as recorded; 0 says nothing.</param>
    /// <param name="parent">Hash of the catalog that names it, or null.</param>
    /// <param name="named">Who names it, for messages: "the manifest", "the tag v1", "its parent catalog".</param>
    /// <param name="reportSize">Takes what is wrong with the size; null reports it as a catalog's.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>Null when it could not be read, which was reported.</returns>
    public Task<CatalogResult?> CheckAsync(RepositoryPath path, ObjectHash hash, long size, ObjectHash? parent, string named, Action<string>? reportSize, CancellationToken cancellationToken) =>
        _known.GetOrAdd((path, hash, size), _ => new Lazy<Task<CatalogResult?>>(() => CheckNewAsync(path, hash, size, parent, named, reportSize, cancellationToken))).Value;

    public void Dispose() => _turns.Dispose();

    private async Task<CatalogResult?> CheckNewAsync(RepositoryPath path, ObjectHash hash, long size, ObjectHash? parent, string named, Action<string>? reportSize, CancellationToken cancellationToken)
    {
        await Task.Yield();
        run.FoundCatalogs(1);
        CatalogSummary? summary;
        await _turns.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            summary = await CheckFileAsync(path, hash, size, parent, named, reportSize, cancellationToken).ConfigureAwait(false);
            run.DidCatalog(summary?.Entries ?? 0);
        }
        finally
        {
            _turns.Release();
        }

        if (summary is null)
            return null;
        CounterSet below = await CheckNestedAsync(summary, path, hash, cancellationToken).ConfigureAwait(false);
        return new CatalogResult(
            summary.Revision, summary.LastModified, summary.TtlSeconds, summary.PreviousRevision, summary.RootRow, summary.RootRowIsReported, summary.RootLinkCountIsWrong,
            summary.Self is { } self && summary.Subtree is { } subtree ? self.Plus(subtree) : null,
            summary.Counted.Plus(below));
    }

    private async Task<CatalogSummary?> CheckFileAsync(RepositoryPath path, ObjectHash hash, long size, ObjectHash? parent, string named, Action<string>? reportSize, CancellationToken cancellationToken)
    {
        var name = new ObjectName(hash, ObjectKind.Catalog);
        string file = run.ScratchFile("catalog");
        try
        {
            ObjectCheck check;
            var content = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await using (content.ConfigureAwait(false))
                check = await reader.ReadAsync(name, CompressionAlgorithm.Zlib, size > 0 ? size : run.Options.DatabaseBytesMax, content, cancellationToken).ConfigureAwait(false);
            if (check.State == ObjectState.TooLong)
            {
                ReportSize($"The catalog has more than the {(size > 0 ? size : run.Options.DatabaseBytesMax)} bytes that {named} allows.");
                return null;
            }

            if (check.Rule is { } rule)
            {
                Report(rule, $"This catalog, named by {named}: {check.Message}");
                return null;
            }

            if (size > 0 && check.ContentBytes != size)
                ReportSize($"The catalog has {check.ContentBytes} bytes; {named} says {size}.");
            return CheckRows(path, hash, file, cancellationToken);
        }
        finally
        {
            File.Delete(file);
        }

        void ReportSize(string message)
        {
            if (reportSize is null)
                Report(VerifyRules.CatalogSize, message);
            else
                reportSize(message);
        }

        void Report(string rule, string message) => run.Findings.Add(new Finding(rule, path.ToString(), parent?.ToString(), name.ToString(), message));
    }

    private CatalogSummary? CheckRows(RepositoryPath path, ObjectHash hash, string file, CancellationToken cancellationToken)
    {
        try
        {
            using CatalogView catalog = CatalogView.Open(file);
            var batch = new List<ObjectReference>(NeedsBatch);
            CatalogSummary summary = CatalogRules.Check(
                catalog,
                new CatalogContext(path, hash),
                run.Findings.Add,
                reference =>
                {
                    batch.Add(reference);
                    if (batch.Count < NeedsBatch)
                        return;
                    needed.Add(batch, hash.ToString());
                    batch.Clear();
                },
                cancellationToken);
            needed.Add(batch, hash.ToString());
            return summary;
        }
        catch (UnreadableDatabaseException e)
        {
            run.Findings.Add(new Finding(e.Rule, path.ToString(), hash.ToString(), new ObjectName(hash, ObjectKind.Catalog).ToString(), e.Message));
            return null;
        }
    }

    /// <summary>Checks the nested catalogs and what they and this one must agree in; gives what all rows below add up to.</summary>
    private async Task<CounterSet> CheckNestedAsync(CatalogSummary summary, RepositoryPath path, ObjectHash hash, CancellationToken cancellationToken)
    {
        CounterSet sum = CounterSet.Zero, counted = CounterSet.Zero;
        bool isComplete = summary.NestedAreComplete;
        var gate = new Lock();
        var options = new ParallelOptions { MaxDegreeOfParallelism = run.Options.Parallelism, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(summary.Nested, options, async (nested, token) =>
        {
            CatalogResult? child = await CheckAsync(nested.Path, nested.Hash, nested.Size, hash, "its parent catalog", null, token).ConfigureAwait(false);
            lock (gate)
            {
                counted = counted.Plus(child?.Counted ?? CounterSet.Zero);
                if (child?.Counters is { } counters)
                    sum = sum.Plus(counters);
                else
                    isComplete = false;
            }

            if (child?.RootRow is { } row && !child.RootRowIsReported && !nested.RowIsReported
                && TransitionRules.Compare(nested.Row, row, new CatalogContext(nested.Path, nested.Hash), child.RootLinkCountIsWrong) is { } difference)
            {
                run.Findings.Add(difference with { Catalog = hash.ToString(), Object = new ObjectName(nested.Hash, ObjectKind.Catalog).ToString() });
            }
        }).ConfigureAwait(false);

        // Against what the nested catalogs store, right or wrong: a wrong counter of theirs is reported there.
        if (isComplete && summary.Subtree is { } subtree && TransitionRules.CompareCounters(subtree, sum, new CatalogContext(path, hash), counted) is { } finding)
            run.Findings.Add(finding);
        return counted;
    }
}

/// <summary>What others need to know of a catalog that was checked.</summary>
internal sealed record CatalogResult(
    ulong? Revision,
    long LastModified,
    long? TtlSeconds,
    ObjectHash? PreviousRevision,
    TransitionRow? RootRow,
    bool RootRowIsReported,
    bool RootLinkCountIsWrong,
    CounterSet? Counters,
    CounterSet Counted);
