namespace CvmfsNix.Cluster.Recovery;

/// <summary>Text of unknown origin, for a message: short, and without control characters.</summary>
internal static class Excerpt
{
    private const int Longest = 60;

    public static string Of(string text) =>
        string.Concat(text.Take(Longest).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)) + (text.Length > Longest ? "…" : "");
}
