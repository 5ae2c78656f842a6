using System.Text;
using CvmfsNix.Cluster.Nix.Archives;

namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>Paths as raw bytes.</summary>
public static class DiskPath
{
    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The bytes of a path that a user or a program named as text.</summary>
    public static byte[] FromText(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return s_strictUtf8.GetBytes(path);
    }

    /// <summary><paramref name="directory"/>, a slash and <paramref name="name"/>.</summary>
    public static byte[] Combine(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> name) =>
        directory is [.., (byte)'/'] ? [.. directory, .. name] : [.. directory, (byte)'/', .. name];

    /// <summary>For messages: the text where it is UTF-8 without control characters, else with <c>\xNN</c>.</summary>
    public static string Show(ReadOnlySpan<byte> path)
    {
        try
        {
            string text = s_strictUtf8.GetString(path);
            if (!text.Any(char.IsControl))
                return text;
        }
        catch (DecoderFallbackException)
        {
            // Shown byte by byte below.
        }

        return NarRules.Show(path);
    }

    internal static ReadOnlySpan<byte> WithoutTrailingSlashes(ReadOnlySpan<byte> path)
    {
        while (path.Length > 1 && path[^1] == (byte)'/')
            path = path[..^1];
        if (path.IsEmpty || path.Contains((byte)0))
            throw new ArgumentException($"A path has at least one byte and no NUL: {NarRules.Show(path)}.", nameof(path));
        return path;
    }
}
