using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.TestKit.Store;

/// <summary>A made-up store path with everything a builder would send for it.</summary>
/// <param name="Upload">Registration and tree.</param>
/// <param name="Objects">Stored bytes by name.</param>
public sealed record SyntheticPath(PathUpload Upload, IReadOnlyDictionary<ObjectName, byte[]> Objects)
{
    /// <summary>The base name.</summary>
    public StorePathName Path => Upload.Info.Path;

    /// <summary>A legal base name that depends on <paramref name="name"/> alone.</summary>
    public static StorePathName NameOf(string name) => StorePathName.Create(SHA1.HashData(Encoding.UTF8.GetBytes(name)), name);

    /// <summary>A path with the given tree.</summary>
    public static SyntheticPath Of(string name, SyntheticTree tree, IEnumerable<StorePathName>? references = null, HashAlgorithmId algorithm = HashAlgorithmId.Sha1, string? contentAddress = null)
    {
        var objects = new Dictionary<ObjectName, byte[]>();
        using var archive = new NarHashBuilder();
        TreeNode root = tree.Build("", algorithm, objects, archive);
        (var hash, long size) = archive.Finish();
        return new SyntheticPath(
            new PathUpload(
                new PathInfo
                {
                    Path = NameOf(name),
                    NarHash = hash,
                    NarSize = size,
                    References = [.. (references ?? []).Distinct().Order()],
                    ContentAddress = contentAddress,
                },
                root),
            objects);
    }

    /// <summary>A path with a few directories and <paramref name="files"/> files, all decided by name and seed.</summary>
    public static SyntheticPath Package(string name, int files = 10, int seed = 0, IEnumerable<StorePathName>? references = null, HashAlgorithmId algorithm = HashAlgorithmId.Sha1)
    {
        var entries = new Dictionary<string, SyntheticTree>();
        for (int i = 0; i < files; i++)
            entries.Add($"file{i:d3}", SyntheticTree.File($"{name} {seed} {i} {new string('x', i * 7)}", executable: i % 3 == 0));
        return Of(
            name,
            SyntheticTree.Directory(("bin", SyntheticTree.Directory(("run", SyntheticTree.Symlink("../share/file000")))), ("share", SyntheticTree.Directory(entries))),
            references,
            algorithm);
    }
}

/// <summary>A tree to make a <see cref="SyntheticPath"/> of.</summary>
public abstract record SyntheticTree
{
    /// <summary>A directory.</summary>
    public static SyntheticTree Directory(params (string Name, SyntheticTree Tree)[] entries) => Directory(entries.ToDictionary(e => e.Name, e => e.Tree));

    /// <summary>A directory.</summary>
    public static SyntheticTree Directory(IReadOnlyDictionary<string, SyntheticTree> entries) => new DirectoryTree(entries);

    /// <summary>A regular file.</summary>
    /// <param name="content">Its text.</param>
    /// <param name="executable">Its executable bit.</param>
    /// <param name="chunkSize">Bytes of a chunk; 0 = not chunked.</param>
    /// <param name="compressed">False to store the bytes as they are.</param>
    public static SyntheticTree File(string content, bool executable = false, int chunkSize = 0, bool compressed = true) =>
        new FileTree(Encoding.UTF8.GetBytes(content), executable, chunkSize, compressed);

    /// <summary>A symbolic link.</summary>
    public static SyntheticTree Symlink(string target) => new SymlinkTree(target);

    internal abstract TreeNode Build(string name, HashAlgorithmId algorithm, Dictionary<ObjectName, byte[]> objects, NarHashBuilder archive);

    private sealed record DirectoryTree(IReadOnlyDictionary<string, SyntheticTree> Entries) : SyntheticTree
    {
        internal override TreeNode Build(string name, HashAlgorithmId algorithm, Dictionary<ObjectName, byte[]> objects, NarHashBuilder archive)
        {
            archive.BeginDirectory(Encoding.UTF8.GetBytes(name));
            TreeNode[] children = [.. Entries.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => e.Value.Build(e.Key, algorithm, objects, archive))];
            archive.EndDirectory();
            return new TreeNode { Kind = TreeNodeKind.Directory, Name = Encoding.UTF8.GetBytes(name), Children = children };
        }
    }

    private sealed record SymlinkTree(string Target) : SyntheticTree
    {
        internal override TreeNode Build(string name, HashAlgorithmId algorithm, Dictionary<ObjectName, byte[]> objects, NarHashBuilder archive)
        {
            archive.Symlink(Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(Target));
            return new TreeNode { Kind = TreeNodeKind.Symlink, Name = Encoding.UTF8.GetBytes(name), Target = Encoding.UTF8.GetBytes(Target) };
        }
    }

    private sealed record FileTree(byte[] Content, bool Executable, int ChunkSize, bool Compressed) : SyntheticTree
    {
        internal override TreeNode Build(string name, HashAlgorithmId algorithm, Dictionary<ObjectName, byte[]> objects, NarHashBuilder archive)
        {
            archive.BeginFile(Encoding.UTF8.GetBytes(name), Executable, Content.Length);
            archive.AppendFile(Content);
            archive.EndFile();
            CompressionAlgorithm compression = Compressed ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None;
            StoredContent stored = ChunkSize == 0
                ? new StoredContent(Content.Length, compression, Add(ObjectKind.Data, Content), [])
                : new StoredContent(Content.Length, compression, null, [.. Chunks(ObjectKind.Chunk)]);
            return new TreeNode
            {
                Kind = TreeNodeKind.Regular,
                Name = Encoding.UTF8.GetBytes(name),
                Executable = Executable,
                Digest = new ContentDigest(SHA256.HashData(Content)),
                Content = stored,
            };

            IEnumerable<StoredChunk> Chunks(ObjectKind kind)
            {
                for (int offset = 0; offset < Content.Length; offset += ChunkSize)
                {
                    byte[] part = Content[offset..Math.Min(Content.Length, offset + ChunkSize)];
                    yield return new StoredChunk(offset, part.Length, Add(kind, part));
                }
            }

            ObjectHash Add(ObjectKind kind, byte[] plain)
            {
                byte[] bytes = Compressed ? ObjectCompression.Compress(plain) : plain;
                ObjectHash hash = ObjectHasher.Hash(algorithm, bytes);
                objects[new ObjectName(hash, kind)] = bytes;
                return hash;
            }
        }
    }
}
