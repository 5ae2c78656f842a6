using System.Text;

namespace CvmfsNix.Cluster.Benchmarks.Parts;

/// <summary>Made-up contents that are the same in every run.</summary>
internal static class PartContent
{
    private static readonly string[] Words = ["include", "static", "const", "return", "struct", "void", "int", "for", "buffer", "length", "offset", "name"];

    /// <summary>Text that shrinks about as source code does.</summary>
    public static byte[] Text(int length)
    {
        var random = new Random(20260719);
        var text = new StringBuilder(length + 32);
        while (text.Length < length)
        {
            text.Append(Words[random.Next(Words.Length)]);
            text.Append(random.Next(4) == 0 ? random.Next().ToString("x", System.Globalization.CultureInfo.InvariantCulture) : "");
            text.Append(random.Next(8) == 0 ? ";\n" : " ");
        }

        return Encoding.ASCII.GetBytes(text.ToString(0, length));
    }
}
