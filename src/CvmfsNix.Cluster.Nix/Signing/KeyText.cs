namespace CvmfsNix.Cluster.Nix.Signing;

/// <summary>The form shared by keys and signatures: <c>name:base64</c>, standard base 64 with padding, one text for one value.</summary>
internal static class KeyText
{
    public static bool TryParse(string text, int size, out string name, out byte[] bytes)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        name = colon < 0 ? "" : text[..colon];
        bytes = new byte[size];
        return IsName(name)
            && Convert.TryFromBase64String(text[(colon + 1)..], bytes, out int written)
            && written == size
            && text.AsSpan(colon + 1).SequenceEqual(Convert.ToBase64String(bytes));
    }

    /// <summary>A name is printable ASCII without spaces and colons.</summary>
    public static bool IsName(string name) => name.Length is > 0 and <= 255 && name.All(static c => c is > ' ' and <= '~' and not ':');

    public static string Format(string name, ReadOnlySpan<byte> bytes) => name + ":" + Convert.ToBase64String(bytes);
}
