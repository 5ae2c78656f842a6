using System.Text;

namespace CvmfsNix.Cluster.Verify;

/// <summary>Foreign bytes as they may stand in a message: short, and without control characters.</summary>
internal static class Shown
{
    private const int LengthMax = 120;

    public static string Text(ReadOnlySpan<byte> bytes) => Text(Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, LengthMax * 4)]));

    public static string Text(string text)
    {
        string shown = text.Length > LengthMax ? text[..LengthMax] + "…" : text;
        return string.Create(shown.Length, shown, static (target, source) =>
        {
            for (int i = 0; i < target.Length; i++)
                target[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
    }
}
