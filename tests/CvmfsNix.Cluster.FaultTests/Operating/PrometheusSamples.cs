using System.Globalization;
using System.Text.RegularExpressions;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <summary>Reads the text format of Prometheus as strictly as it does: every family once, with help and type before its samples, no series twice.</summary>
internal static partial class PrometheusSamples
{
    /// <summary>Value by name and labels.</summary>
    /// <exception cref="FormatException">Names the line.</exception>
    public static IReadOnlyDictionary<string, double> Parse(string text)
    {
        var samples = new Dictionary<string, double>(StringComparer.Ordinal);
        var families = new HashSet<string>(StringComparer.Ordinal);
        (string family, string type) = ("", "");
        Require(text.EndsWith('\n'), "the last line has no end", text.Length);
        string[] lines = text.Split('\n')[..^1];
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                family = line.Split(' ', 4)[2];
                Require(families.Add(family), $"{family} comes twice", i);
                Require(i + 1 < lines.Length && lines[i + 1].StartsWith($"# TYPE {family} ", StringComparison.Ordinal), "help is followed by the type", i);
                continue;
            }

            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                type = line.Split(' ', 4)[3];
                Require(type is "counter" or "gauge" or "histogram", $"{type} is no type", i);
                Require(type != "counter" || family.EndsWith("_total", StringComparison.Ordinal), "a counter ends in _total", i);
                continue;
            }

            Match sample = Sample().Match(line);
            Require(sample.Success, $"\"{line}\" is no sample", i);
            string name = sample.Groups["name"].Value;
            Require(type == "histogram" ? name == family + "_bucket" || name == family + "_sum" || name == family + "_count" : name == family, $"{name} is not of the family {family}", i);
            Require(samples.TryAdd(name + sample.Groups["labels"].Value, double.Parse(sample.Groups["value"].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture)), $"{line} comes twice", i);
        }

        return samples;
    }

    private static void Require(bool good, string problem, int line)
    {
        if (!good)
            throw new FormatException($"Line {line + 1}: {problem}.");
    }

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*")*\})? (?<value>[+-]?(Inf|NaN|[0-9.]+([eE][+-]?[0-9]+)?))$""")]
    private static partial Regex Sample();
}
