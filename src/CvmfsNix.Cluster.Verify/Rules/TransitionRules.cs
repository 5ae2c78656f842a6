using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>What a parent catalog and its nested catalog have to agree in.</summary>
public static class TransitionRules
{
    /// <summary>Compares the two rows of a transition point; null when they agree.</summary>
    /// <param name="parent">Row in the parent catalog.</param>
    /// <param name="child">Root row of the nested catalog.</param>
    /// <param name="context">Where the nested catalog stands.</param>
    /// <param name="linkCountIsReported">The child's link count was found wrong by itself; a difference in it is no second finding.</param>
    public static Finding? Compare(TransitionRow parent, TransitionRow child, CatalogContext context, bool linkCountIsReported = false) =>
        throw new NotSupportedException();

    /// <summary>Compares stored <c>subtree_</c> counters with the sum of what the nested catalogs store; null when they agree.</summary>
    public static Finding? CompareCounters(CounterSet subtree, CounterSet sumOfNested, CatalogContext context) => throw new NotSupportedException();
}
