using System.IO.Compression;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>Objects in a repository folder, named by the SHA-1 of what is stored.</summary>
internal static class StoredObjects
{
    /// <summary>Stored bytes of content.</summary>
    public static byte[] Deflate(byte[] content)
    {
        if (content.Length == 0)
            return [0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01];
        using var stored = new MemoryStream();
        using (var zlib = new ZLibStream(stored, CompressionLevel.Optimal, leaveOpen: true))
            zlib.Write(content);
        return stored.ToArray();
    }

    /// <summary>Content of stored bytes.</summary>
    public static byte[] Inflate(byte[] stored)
    {
        using var zlib = new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress);
        using var content = new MemoryStream();
        zlib.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>Path of an object below the repository folder.</summary>
    /// <param name="hash">Hash text, with the algorithm's id where it has one.</param>
    /// <param name="suffix">The kind's letter, or nothing.</param>
    public static string PathOf(string hash, string suffix) => $"data/{hash[..2]}/{hash[2..]}{suffix}";

    /// <summary>Hash text of stored bytes.</summary>
    public static string HashOf(byte[] stored) => Convert.ToHexStringLower(SHA1.HashData(stored));

    /// <summary>Stores and returns the hash text.</summary>
    public static string Put(string folder, byte[] stored, string suffix)
    {
        string hash = HashOf(stored);
        PutAs(folder, hash, stored, suffix);
        return hash;
    }

    /// <summary>Stores under a name of the caller's choice.</summary>
    public static void PutAs(string folder, string hash, byte[] stored, string suffix)
    {
        string file = Path.Combine(folder, PathOf(hash, suffix));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, stored);
    }
}
