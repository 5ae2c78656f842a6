using System.Globalization;
using System.Text;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>Limits of the Nix archive format, kept by reader and writers alike.</summary>
public static class NarRules
{
    /// <summary>Longest name of a directory entry, in bytes.</summary>
    public const int MaxNameLength = 255;

    /// <summary>Longest target of a symlink, in bytes.</summary>
    public const int MaxTargetLength = 4095;

    /// <summary>Most directories inside one another, the root included.</summary>
    public const int MaxDepth = 64;

    /// <summary>What is wrong with <paramref name="name"/> as the name of a directory entry, or null.</summary>
    public static string? NameProblem(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
            return "an empty name";
        if (name.Length > MaxNameLength)
            return $"a name of {name.Length} bytes (at most {MaxNameLength})";
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
            return $"the name {Show(name)}";
        return name.IndexOfAny((byte)'/', (byte)0) < 0 ? null : $"the name {Show(name)} with a slash or NUL";
    }

    /// <summary>What is wrong with <paramref name="target"/> as the target of a symlink, or null.</summary>
    public static string? TargetProblem(ReadOnlySpan<byte> target)
    {
        if (target.IsEmpty)
            return "an empty target";
        if (target.Length > MaxTargetLength)
            return $"a target of {target.Length} bytes (at most {MaxTargetLength})";
        return target.Contains((byte)0) ? $"the target {Show(target)} with a NUL" : null;
    }

    /// <summary>Raw bytes for a message: printable ASCII as it is, everything else as <c>\xNN</c>, in quotes, cut after 80 bytes.</summary>
    public static string Show(ReadOnlySpan<byte> bytes)
    {
        const int Shown = 80;
        StringBuilder text = new("\"");
        foreach (byte b in bytes[..Math.Min(bytes.Length, Shown)])
        {
            if (b is >= 0x20 and < 0x7f and not (byte)'"' and not (byte)'\\')
                text.Append((char)b);
            else
                text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
        }

        return text.Append(bytes.Length > Shown ? "…\"" : "\"").ToString();
    }
}
