using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;

namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>SHA-256 of a file's plaintext, 32 bytes: the key of the compress-once index.</summary>
public readonly record struct ContentDigest : IComparable<ContentDigest>
{
    /// <summary>Bytes of a digest.</summary>
    public const int Size = 32;

    private readonly UInt128 _high;
    private readonly UInt128 _low;

    /// <summary>Takes 32 bytes.</summary>
    /// <exception cref="ArgumentException">The span has another length.</exception>
    public ContentDigest(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Size)
            throw new ArgumentException($"A content digest has {Size} bytes, not {digest.Length}.", nameof(digest));
        _high = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(digest);
        _low = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(digest[16..]);
    }

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(destination, _high);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(destination[16..], _low);
    }

    /// <summary>The 32 bytes in an array of the caller's.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public int CompareTo(ContentDigest other) =>
        _high != other._high ? _high.CompareTo(other._high) : _low.CompareTo(other._low);

    public static bool operator <(ContentDigest left, ContentDigest right) => left.CompareTo(right) < 0;

    public static bool operator >(ContentDigest left, ContentDigest right) => left.CompareTo(right) > 0;

    public static bool operator <=(ContentDigest left, ContentDigest right) => left.CompareTo(right) <= 0;

    public static bool operator >=(ContentDigest left, ContentDigest right) => left.CompareTo(right) >= 0;

    /// <summary>Lower-case hex.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());
}

/// <summary>One object that holds the plaintext bytes [Offset, Offset + Size) of a file.</summary>
public sealed record StoredChunk(long Offset, long Size, ObjectHash Hash);

/// <summary>
/// Where the content of a file lies: one whole-file object, or chunks that cover it without gaps from 0.
/// All of its objects are stored the same way (<paramref name="Compression"/>).
/// </summary>
/// <param name="Size">Plaintext bytes.</param>
/// <param name="Compression">How the stored bytes are to be read.</param>
/// <param name="Hash">The whole-file object; null when chunked.</param>
/// <param name="Chunks">Empty unless chunked; ordered by offset.</param>
public sealed record StoredContent(long Size, CompressionAlgorithm Compression, ObjectHash? Hash, IReadOnlyList<StoredChunk> Chunks);

/// <summary>What a node of a store path's tree is.</summary>
public enum TreeNodeKind
{
    /// <summary>A directory; its children follow in <see cref="TreeNode.Children"/>.</summary>
    Directory,

    /// <summary>A regular file.</summary>
    Regular,

    /// <summary>A symbolic link.</summary>
    Symlink,
}

/// <summary>A node of a normalised tree (as a NAR sees it): names are raw bytes, children ascend bytewise.</summary>
public sealed record TreeNode
{
    /// <summary>Directory, regular file or symbolic link.</summary>
    public required TreeNodeKind Kind { get; init; }

    /// <summary>Raw name bytes; empty for the root of a path.</summary>
    public ReadOnlyMemory<byte> Name { get; init; }

    /// <summary>The owner-execute bit of a regular file.</summary>
    public bool Executable { get; init; }

    /// <summary>Plaintext SHA-256 of a regular file.</summary>
    public ContentDigest Digest { get; init; }

    /// <summary>Where a regular file's content lies; null for other kinds.</summary>
    public StoredContent? Content { get; init; }

    /// <summary>Raw target bytes of a symbolic link.</summary>
    public ReadOnlyMemory<byte> Target { get; init; }

    /// <summary>Children of a directory, ascending bytewise by name.</summary>
    public IReadOnlyList<TreeNode> Children { get; init; } = [];
}

/// <summary>One store path as a builder hands it in: what Nix says of it, and its tree with every content resolved to objects.</summary>
public sealed record PathUpload(PathInfo Info, TreeNode Root);
