using System.Globalization;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>The command line cannot be used.</summary>
internal sealed class BenchmarkUsageException(string message) : Exception(message);

/// <summary>Options of one benchmark, <c>--name value</c>.</summary>
internal sealed class BenchmarkOptions
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <exception cref="BenchmarkUsageException">An option is unknown or has no value.</exception>
    public static BenchmarkOptions Parse(IReadOnlyList<string> arguments, IEnumerable<string> known)
    {
        var options = new BenchmarkOptions();
        HashSet<string> names = [.. known];
        for (int i = 0; i < arguments.Count; i += 2)
        {
            string name = arguments[i].StartsWith("--", StringComparison.Ordinal) ? arguments[i][2..] : arguments[i];
            if (!names.Contains(name))
                throw new BenchmarkUsageException($"The option '{arguments[i]}' is not known.");
            options._values[name] = i + 1 < arguments.Count ? arguments[i + 1] : throw new BenchmarkUsageException($"The option '{arguments[i]}' needs a value.");
        }

        return options;
    }

    /// <summary>A number of at least 0.</summary>
    public int Number(string name, int otherwise)
    {
        if (!_values.TryGetValue(name, out string? text))
            return otherwise;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw new BenchmarkUsageException($"--{name} {text} is no number.");
    }

    /// <summary>Numbers with commas between them.</summary>
    public IReadOnlyList<int> Numbers(string name, params IReadOnlyList<int> otherwise)
    {
        if (!_values.TryGetValue(name, out string? text))
            return otherwise;
        return [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw new BenchmarkUsageException($"--{name} {text} is no list of numbers."))];
    }

    /// <summary>A word.</summary>
    public string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);
}
