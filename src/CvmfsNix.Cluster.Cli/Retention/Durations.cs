using System.Globalization;

namespace CvmfsNix.Cluster.Cli.Retention;

/// <summary>Times as people write them: <c>90s</c>, <c>15m</c>, <c>12h</c>, <c>30d</c>, <c>4w</c>.</summary>
internal static class Durations
{
    /// <summary>What an option's help calls it.</summary>
    public const string Help = "TIME";

    /// <summary>Reads one; false for anything else, negative ones included.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text.Length < 2 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int count))
            return false;
        long? seconds = text[^1] switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => null,
        };
        if (seconds is not { } unit || count > TimeSpan.MaxValue.TotalSeconds / unit / 2)
            return false;
        duration = TimeSpan.FromSeconds(count * unit);
        return true;
    }

    /// <summary>In the largest unit that is exact.</summary>
    public static string Text(long seconds) => seconds switch
    {
        > 0 when seconds % 86_400 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 86_400}d"),
        > 0 when seconds % 3_600 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3_600}h"),
        > 0 when seconds % 60 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds}s"),
    };
}
