using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>What a parent catalog and its nested catalog have to agree in.</summary>
public static class TransitionRules
{
    private const long AlgorithmBits = 0x700;

    /// <summary>Compares the two rows of a transition point; null when they agree.</summary>
    /// <param name="parent">Row in the parent catalog.</param>
    /// <param name="child">Root row of the nested catalog.</param>
    /// <param name="context">Where the nested catalog stands.</param>
    /// <param name="linkCountIsReported">The child's link count was found wrong by itself; a difference in it is no second finding.</param>
    public static Finding? Compare(TransitionRow parent, TransitionRow child, CatalogContext context, bool linkCountIsReported = false)
    {
        ArgumentNullException.ThrowIfNull(parent);
        ArgumentNullException.ThrowIfNull(child);
        ArgumentNullException.ThrowIfNull(context);
        var differences = new List<string>();
        if (!parent.Name.Span.SequenceEqual(child.Name.Span))
            differences.Add($"name \"{Shown.Text(parent.Name.Span)}\" and \"{Shown.Text(child.Name.Span)}\"");
        if (!linkCountIsReported)
            Number("link count", parent.LinkCount, child.LinkCount);
        Number("hard link group", parent.Hardlinks >> 32, child.Hardlinks >> 32);
        Number("size", parent.Size, child.Size);
        if (parent.Mode != child.Mode)
            differences.Add($"mode {Convert.ToString(parent.Mode, 8)} and {Convert.ToString(child.Mode, 8)} (octal)");
        Number("mtime", parent.ModifiedAt, child.ModifiedAt);
        Number("nanoseconds", parent.ModifiedAtNanos, child.ModifiedAtNanos);
        if (!Same(parent.Hash, child.Hash) || (parent.Flags & AlgorithmBits) != (child.Flags & AlgorithmBits))
            differences.Add("hash");
        if (!parent.Symlink.Span.SequenceEqual(child.Symlink.Span))
            differences.Add("symlink");
        if ((parent.Flags & CatalogRow.FlagExternal) != (child.Flags & CatalogRow.FlagExternal))
            differences.Add("external flag");
        if (parent.HasXattrs != child.HasXattrs)
            differences.Add($"extended attributes {(parent.HasXattrs ? "there" : "none")} and {(child.HasXattrs ? "there" : "none")}");
        return differences.Count == 0
            ? null
            : new Finding(
                VerifyRules.TransitionRow, context.Path.ToString(), context.Hash?.ToString(), null,
                $"Parent catalog and nested catalog differ in {string.Join(", ", differences)}.");

        void Number(string what, long? one, long? other)
        {
            if (one != other)
                differences.Add($"{what} {one?.ToString() ?? "NULL"} and {other?.ToString() ?? "NULL"}");
        }
    }

    /// <summary>Compares stored <c>subtree_</c> counters with the sum of what the nested catalogs store; null when they agree.</summary>
    /// <param name="subtree">What the parent stores.</param>
    /// <param name="sumOfNested">Sum of the <c>self_</c> and <c>subtree_</c> counters the nested catalogs store.</param>
    /// <param name="context">Where the parent stands.</param>
    /// <param name="sumCounted">The same sum counted from all rows below, where it is known: a parent that is right although a nested catalog is wrong is no second finding.</param>
    public static Finding? CompareCounters(CounterSet subtree, CounterSet sumOfNested, CatalogContext context, CounterSet? sumCounted = null)
    {
        ArgumentNullException.ThrowIfNull(subtree);
        ArgumentNullException.ThrowIfNull(sumOfNested);
        ArgumentNullException.ThrowIfNull(context);
        HashSet<string> right = sumCounted is null ? [] : [.. CounterSet.Names.Where(name => subtree[name] == sumCounted[name])];
        string difference = subtree.Difference(sumOfNested, "subtree_", right);
        return difference.Length == 0
            ? null
            : new Finding(VerifyRules.SubtreeCounters, context.Path.ToString(), context.Hash?.ToString(), null, $"The nested catalogs add up to something else: {difference}.");
    }

    private static bool Same(ReadOnlyMemory<byte>? one, ReadOnlyMemory<byte>? other) =>
        one is null == other is null && (one is not { } bytes || bytes.Span.SequenceEqual(other!.Value.Span));
}
