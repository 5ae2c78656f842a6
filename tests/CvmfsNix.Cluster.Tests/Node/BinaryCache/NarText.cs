using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

/// <summary>A store path of one file as stock Nix uploads it: the archive, its name, and the narinfo.</summary>
internal sealed record NarText(string Name, byte[] File, string Suffix, NarInfo Info)
{
    public string HashPart => Info.Path.Value[..StorePathName.HashLength];

    public static NarText Of(string name, byte[] content, params StorePathName[] references)
    {
        using var stream = new MemoryStream();
        using (var writer = new NarWriter(stream))
        {
            writer.BeginDirectory("");
            writer.BeginFile("data", false, content.Length);
            writer.WriteFileBytes(content);
            writer.EndFile();
            writer.WriteSymlink("link", "data");
            writer.EndDirectory();
            writer.Finish();
        }

        return Of(name, stream.ToArray(), stream.ToArray(), ".nar", NarCompression.None, references);
    }

    public static NarText Of(string name, byte[] nar, byte[] file, string suffix, string compression, params StorePathName[] references)
    {
        NarHash fileHash = Hash(file);
        string fileName = fileHash.ToNix32() + suffix;
        return new NarText(
            fileName,
            file,
            suffix,
            new NarInfo
            {
                StoreDirectory = StoreDirectory.Default,
                Path = SyntheticPath.NameOf(name),
                Url = "nar/" + fileName,
                Compression = compression,
                FileHash = fileHash,
                FileSize = file.Length,
                NarHash = Hash(nar),
                NarSize = nar.Length,
                References = [.. references.Order()],
            });
    }

    public static NarHash Hash(byte[] bytes) => new(SHA256.HashData(bytes));
}

internal static class NarWriterText
{
    public static void BeginDirectory(this NarWriter writer, string name) => writer.BeginDirectory(System.Text.Encoding.UTF8.GetBytes(name));

    public static void BeginFile(this NarWriter writer, string name, bool executable, long size) => writer.BeginFile(System.Text.Encoding.UTF8.GetBytes(name), executable, size);

    public static void WriteSymlink(this NarWriter writer, string name, string target) =>
        writer.WriteSymlink(System.Text.Encoding.UTF8.GetBytes(name), System.Text.Encoding.UTF8.GetBytes(target));
}
