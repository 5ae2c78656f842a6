using System.Buffers.Binary;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// The encoded words of the grammar. A word is its length (8 bytes, little-endian), its bytes, and zeros up to a multiple of 8.
/// <code>
/// archive = "nix-archive-1" node
/// node    = "(" "type" body ")"
/// body    = "regular" [ "executable" "" ] "contents" bytes
///         | "symlink" "target" target
///         | "directory" { "entry" "(" "name" name "node" node ")" }
/// </code>
/// </summary>
internal static class NarToken
{
    public static readonly byte[] Magic = Encode("nix-archive-1");
    public static readonly byte[] Close = Encode(")");
    public static readonly byte[] CloseTwice = Encode(")", ")");
    public static readonly byte[] EntryUpToName = Encode("entry", "(", "name");
    public static readonly byte[] Node = Encode("node");
    public static readonly byte[] Directory = Encode("(", "type", "directory");
    public static readonly byte[] Symlink = Encode("(", "type", "symlink", "target");
    public static readonly byte[] Regular = Encode("(", "type", "regular", "contents");
    public static readonly byte[] Executable = Encode("(", "type", "regular", "executable", "", "contents");

    /// <summary>Zeros that follow <paramref name="length"/> bytes.</summary>
    public static int Padding(long length) => (int)(-length & 7);

    /// <summary>Encodes <paramref name="word"/>; the count of bytes written.</summary>
    public static int Write(Span<byte> destination, ReadOnlySpan<byte> word)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, (ulong)word.Length);
        word.CopyTo(destination[8..]);
        int padding = Padding(word.Length);
        destination.Slice(8 + word.Length, padding).Clear();
        return 8 + word.Length + padding;
    }

    private static byte[] Encode(params ReadOnlySpan<string> words)
    {
        Span<byte> buffer = stackalloc byte[256];
        int used = 0;
        foreach (string word in words)
            used += Write(buffer[used..], System.Text.Encoding.ASCII.GetBytes(word));
        return buffer[..used].ToArray();
    }
}
