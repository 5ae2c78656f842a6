using System.Collections;
using System.Collections.Immutable;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>Revisions from one to another, both included.</summary>
public readonly record struct RevisionRange(ulong First, ulong Last);

/// <summary>A set of revisions, kept as ranges: nearly all of them lie side by side. Immutable; equal when it holds the same.</summary>
public sealed class RevisionSet : IEnumerable<RevisionRange>, IEquatable<RevisionSet>
{
    private readonly ImmutableArray<RevisionRange> _ranges;

    private RevisionSet(ImmutableArray<RevisionRange> ranges) => _ranges = ranges;

    /// <summary>None.</summary>
    public static RevisionSet Empty { get; } = new([]);

    /// <summary>Whether it holds nothing.</summary>
    public bool IsEmpty => _ranges.Length == 0;

    /// <summary>How many revisions.</summary>
    public long Count => _ranges.Sum(r => checked((long)(r.Last - r.First + 1)));

    /// <summary>A set of these, in any order.</summary>
    public static RevisionSet Of(IEnumerable<ulong> revisions) => Of(revisions.Select(r => new RevisionRange(r, r)));

    /// <summary>A set of all that lies in one of these, in any order.</summary>
    /// <exception cref="ArgumentException">A range ends before it begins.</exception>
    public static RevisionSet Of(IEnumerable<RevisionRange> ranges)
    {
        var merged = ImmutableArray.CreateBuilder<RevisionRange>();
        foreach (var range in ranges.OrderBy(r => r.First))
        {
            if (range.Last < range.First)
                throw new ArgumentException($"Revisions {range.First} to {range.Last} are no range.", nameof(ranges));
            if (merged.Count > 0 && (range.First <= merged[^1].Last || range.First - merged[^1].Last == 1))
                merged[^1] = new RevisionRange(merged[^1].First, Math.Max(merged[^1].Last, range.Last));
            else
                merged.Add(range);
        }

        return merged.Count == 0 ? Empty : new RevisionSet(merged.ToImmutable());
    }

    /// <summary>Whether it holds a revision.</summary>
    public bool Contains(ulong revision)
    {
        (int from, int to) = (0, _ranges.Length);
        while (from < to)
        {
            int middle = (from + to) / 2;
            if (_ranges[middle].Last < revision)
                from = middle + 1;
            else
                to = middle;
        }

        return from < _ranges.Length && _ranges[from].First <= revision;
    }

    /// <summary>What is in this set or in the other.</summary>
    public RevisionSet Union(RevisionSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return other.IsEmpty ? this : IsEmpty ? other : Of(_ranges.Concat(other._ranges));
    }

    /// <inheritdoc/>
    public IEnumerator<RevisionRange> GetEnumerator() => _ranges.AsEnumerable().GetEnumerator();

    /// <inheritdoc/>
    public bool Equals(RevisionSet? other) => other is not null && _ranges.SequenceEqual(other._ranges);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as RevisionSet);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_ranges.Length, _ranges.Length > 0 ? _ranges[^1] : default);

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
