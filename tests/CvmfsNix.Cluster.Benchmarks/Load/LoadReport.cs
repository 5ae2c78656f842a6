using System.Diagnostics;
using System.Globalization;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>Figures of many answers.</summary>
internal static class LoadReport
{
    /// <summary>Rate, latencies and how many publishes shared a revision, in one line.</summary>
    public static string Of(IReadOnlyList<LoadAnswer> answers)
    {
        TimeSpan took = Stopwatch.GetElapsedTime(answers.Min(a => a.Began), answers.Max(a => a.Answered));
        double[] all = [.. answers.Select(a => a.Milliseconds)];
        double[] waiting = [.. answers.Select(a => a.Milliseconds - a.SealedAfter)];
        int revisions = answers.Select(a => a.Revision).Distinct().Count();
        return Text($"{answers.Count} publishes in {took.TotalSeconds:0.00} s: {answers.Count / took.TotalSeconds:0.0} publishes/s, p50 {Percentile(all, 50):0} ms, p99 {Percentile(all, 99):0} ms (from the seal on p50 {Percentile(waiting, 50):0} ms), {revisions} revisions, {(double)answers.Count / revisions:0.0} publishes each, {answers.Sum(a => a.Attempts - 1)} attempts repeated");
    }

    /// <summary>A percentile by the nearest rank.</summary>
    public static double Percentile(IReadOnlyCollection<double> values, int percent)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100.0 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    /// <summary>Numbers as everywhere.</summary>
    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
