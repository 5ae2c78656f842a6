using System.Globalization;
using System.Text;

namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>The text format Prometheus reads, version 0.0.4.</summary>
public static class PrometheusText
{
    /// <summary>Media type of the text.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Families as text. One without series is left out.</summary>
    public static string Write(IEnumerable<MetricFamily> families)
    {
        ArgumentNullException.ThrowIfNull(families);
        var text = new StringBuilder();
        foreach (MetricFamily family in families.Where(f => f.Samples.Count > 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {family.Name} {Escaped(family.Help, quotes: false)}\n");
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {family.Name} {family.Kind.ToString().ToLowerInvariant()}\n");
            foreach (MetricSample sample in family.Samples)
                Write(text, family, sample);
        }

        return text.ToString();
    }

    private static void Write(StringBuilder text, MetricFamily family, MetricSample sample)
    {
        if (family.Kind != MetricKind.Histogram)
        {
            Line(family.Name, null, Number(sample.Value));
            return;
        }

        foreach (var (bound, count) in sample.Buckets)
            Line(family.Name + "_bucket", Number(bound), count.ToString(CultureInfo.InvariantCulture));
        Line(family.Name + "_sum", null, Number(sample.Value));
        Line(family.Name + "_count", null, sample.Count.ToString(CultureInfo.InvariantCulture));

        void Line(string name, string? bound, string value)
        {
            IEnumerable<string> labels = sample.Labels.Select(l => $"{l.Key}=\"{Escaped(l.Value, quotes: true)}\"");
            string all = string.Join(',', bound is null ? labels : labels.Append($"le=\"{bound}\""));
            text.Append(name).Append(all.Length > 0 ? "{" + all + "}" : "").Append(' ').Append(value).Append('\n');
        }
    }

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Escaped(string text, bool quotes)
    {
        string escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
