namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>From the names of instruments to those of Prometheus: underscores, the unit in full at the end, <c>_total</c> for counters.</summary>
public static class PrometheusNames
{
    /// <summary>A family's name.</summary>
    /// <param name="instrument">As <c>cvmfsnix.publish.duration</c>.</param>
    /// <param name="unit">As <c>s</c>, <c>By</c> or <c>{paths}</c>; null = none.</param>
    /// <param name="counter">It only grows.</param>
    public static string Of(string instrument, string? unit, bool counter)
    {
        string name = Label(instrument);
        string suffix = unit switch
        {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        if (!name.EndsWith(suffix, StringComparison.Ordinal))
            name += suffix;
        return counter && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    /// <summary>A label's name.</summary>
    public static string Label(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string text = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
        return text.Length > 0 && char.IsAsciiDigit(text[0]) ? "_" + text : text;
    }
}
