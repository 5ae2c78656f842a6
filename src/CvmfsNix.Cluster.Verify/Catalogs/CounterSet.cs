namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>Twelve counters, in the order of <see cref="Names"/>. Immutable.</summary>
public sealed class CounterSet
{
    /// <summary>All zero.</summary>
    public static readonly CounterSet Zero = new(new long[12]);

    private readonly long[] _values;

    private CounterSet(long[] values) => _values = values;

    /// <summary>Their names without <c>self_</c> or <c>subtree_</c>.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "regular", "symlink", "special", "dir", "nested", "chunked", "chunks", "file_size", "chunked_size", "xattr", "external", "external_file_size",
    ];

    /// <summary>One of them, by its name.</summary>
    public long this[string name] => _values[IndexOf(name)];

    /// <summary>Takes twelve values in the order of <see cref="Names"/>.</summary>
    public static CounterSet Of(ReadOnlySpan<long> values) =>
        values.Length == Names.Count ? new CounterSet(values.ToArray()) : throw new ArgumentException($"There are {Names.Count} counters, not {values.Length}.", nameof(values));

    /// <summary>The sum, counter by counter; wraps around rather than failing on absurd values.</summary>
    public CounterSet Plus(CounterSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var sum = new long[_values.Length];
        for (int i = 0; i < sum.Length; i++)
            sum[i] = unchecked(_values[i] + other._values[i]);
        return new CounterSet(sum);
    }

    /// <summary>Every counter that differs, as "name is A, counted B", apart from those in <paramref name="except"/>; empty when all agree.</summary>
    public string Difference(CounterSet counted, string prefix, IReadOnlySet<string> except)
    {
        ArgumentNullException.ThrowIfNull(counted);
        ArgumentNullException.ThrowIfNull(except);
        return string.Join(
            ", ",
            Names.Where(name => this[name] != counted[name] && !except.Contains(name)).Select(name => $"{prefix}{name} is {this[name]}, counted {counted[name]}"));
    }

    private static int IndexOf(string name)
    {
        for (int i = 0; i < Names.Count; i++)
        {
            if (Names[i] == name)
                return i;
        }

        throw new ArgumentException($"There is no counter {name}.", nameof(name));
    }
}
