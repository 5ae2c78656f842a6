namespace CvmfsNix.Cluster.Cvmfs;

/// <summary>Shortens and tames foreign text before it goes into an error message.</summary>
internal static class Excerpt
{
    private const int LengthMax = 80;

    public static string Of(ReadOnlySpan<char> text)
    {
        var shown = text.Length > LengthMax ? text[..LengthMax] : text;
        var tamed = string.Create(shown.Length, shown, static (target, source) =>
        {
            for (var i = 0; i < target.Length; i++) target[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
        return shown.Length < text.Length ? tamed + "…" : tamed;
    }
}
