using System.Globalization;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>What a <c>Range</c> header asks of a file.</summary>
/// <param name="Outcome">Whether a part, the whole or nothing is to be sent.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct ByteRange(ByteRangeOutcome Outcome, long Offset, long Length)
{
    private const string Unit = "bytes=";

    /// <summary>
    /// Reads the header for a file of <paramref name="size"/> bytes. What is malformed or asks for several ranges is as if it had not
    /// been sent, as HTTP allows.
    /// </summary>
    public static ByteRange Of(string? header, long size)
    {
        var whole = new ByteRange(ByteRangeOutcome.Whole, 0, size);
        if (header is null || !header.StartsWith(Unit, StringComparison.OrdinalIgnoreCase))
            return whole;
        ReadOnlySpan<char> range = header.AsSpan(Unit.Length).Trim();
        int dash = range.IndexOf('-');
        if (dash < 0 || range.Contains(','))
            return whole;
        bool hasFirst = TryNumber(range[..dash], out long first);
        bool hasLast = TryNumber(range[(dash + 1)..], out long last);
        if ((!hasFirst && dash > 0) || (!hasLast && dash + 1 < range.Length) || (!hasFirst && !hasLast) || (hasFirst && hasLast && last < first))
            return whole;
        if (!hasFirst)
            (first, last) = (Math.Max(0, size - last), last == 0 ? -1 : size - 1);
        else
            last = hasLast ? Math.Min(last, size - 1) : size - 1;
        return first >= size || last < first
            ? new ByteRange(ByteRangeOutcome.Unsatisfiable, 0, 0)
            : new ByteRange(ByteRangeOutcome.Part, first, last - first + 1);
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}

/// <summary>What to send.</summary>
public enum ByteRangeOutcome
{
    /// <summary>All of the file, 200.</summary>
    Whole,

    /// <summary>A part of it, 206.</summary>
    Part,

    /// <summary>Nothing of it, 416.</summary>
    Unsatisfiable,
}
