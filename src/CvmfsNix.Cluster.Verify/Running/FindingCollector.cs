using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;

namespace CvmfsNix.Cluster.Verify.Running;

/// <summary>Gathers findings from all threads, each once, up to a limit.</summary>
internal sealed class FindingCollector(int max)
{
    private readonly Lock _lock = new();
    private readonly List<Finding> _findings = [];

    // Several revisions share rows, and their catalogs differ: the same fault in another catalog is no news.
    private readonly HashSet<(string, string?, string?, string)> _known = [];
    private long _leftOut;

    /// <summary>Findings so far.</summary>
    public long Count
    {
        get
        {
            lock (_lock)
                return _findings.Count + _leftOut;
        }
    }

    public void Add(Finding finding)
    {
        lock (_lock)
        {
            if (_findings.Count >= max)
                _leftOut++;
            else if (_known.Add((finding.Rule, finding.Path, finding.Object, finding.Message)))
                _findings.Add(finding);
        }
    }

    /// <summary>A finding that belongs to no catalog.</summary>
    public void Add(string rule, string? path, string message, string? objectName = null) => Add(new Finding(rule, path, null, objectName, message));

    /// <summary>True when a rule was broken.</summary>
    public bool Has(Func<Finding, bool> which)
    {
        lock (_lock)
            return _findings.Any(which);
    }

    /// <summary>Everything in a stable order, without counters that a file's wrong size explains, and how many more there were.</summary>
    public (IReadOnlyList<Finding> Findings, long LeftOut) Finish()
    {
        lock (_lock)
        {
            HashSet<string?> wrongSizes = [.. _findings.Where(f => f.Rule == VerifyRules.ObjectSize && f.Catalog is not null).Select(f => f.Catalog)];
            IEnumerable<Finding> kept = _findings.Where(f => !(f.Rule == VerifyRules.SelfCounters && wrongSizes.Contains(f.Catalog) && CounterRules.IsAboutSizesAlone(f)));
            return ([.. kept.OrderBy(f => f.Path, StringComparer.Ordinal).ThenBy(f => f.Rule, StringComparer.Ordinal).ThenBy(f => f.Object, StringComparer.Ordinal).ThenBy(f => f.Message, StringComparer.Ordinal)], _leftOut);
        }
    }
}
