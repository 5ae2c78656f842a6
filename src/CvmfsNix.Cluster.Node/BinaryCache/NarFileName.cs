using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>The name that Nix gives a file it uploads: the SHA-256 of its bytes, and how it is compressed.</summary>
/// <param name="Hash">Of the file.</param>
/// <param name="Compression">A name of <see cref="NarCompression"/>.</param>
internal readonly record struct NarFileName(NarHash Hash, string Compression)
{
    private const int HashLength = 52;

    /// <summary>What can be unpacked here.</summary>
    public const string Supported = "none, xz or zstd";

    /// <summary>Reads a name; null when it is none.</summary>
    /// <param name="name">Below <c>nar/</c>.</param>
    /// <param name="problem">What is wrong with it.</param>
    public static NarFileName? Parse(string name, out string problem)
    {
        problem = "";
        if (name.Length <= HashLength || !NarHash.TryParseDigest(name.AsSpan(0, HashLength), out NarHash hash))
        {
            problem = "The name of an archive is the SHA-256 of the file in Nix's base 32.";
            return null;
        }

        switch (name[HashLength..])
        {
            case ".nar":
                return new NarFileName(hash, NarCompression.None);
            case ".nar.xz":
                return new NarFileName(hash, "xz");
            case ".nar.zst":
                return new NarFileName(hash, NarCompression.Zstd);
            default:
                problem = $"Archives compressed like this are not taken: put ?compression=zstd (or {Supported}) into the store URL.";
                return null;
        }
    }
}
