using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>One row of a catalog with its chunks. Two entries are equal when all their bytes are.</summary>
public sealed record CatalogEntry
{
    public required RepositoryPath Path { get; init; }

    /// <summary>Full <c>st_mode</c>, type bits included.</summary>
    public required uint Mode { get; init; }

    /// <summary>Bytes of content; device number of a device.</summary>
    public long Size { get; init; }

    /// <summary>Unix seconds.</summary>
    public long ModifiedAt { get; init; }

    /// <summary>0 to 999,999,999, or null for none (which is not the same as 0). Kept from schema revision 7 on; a revision 6 catalog has no place for it.</summary>
    public int? ModifiedAtNanos { get; init; }

    public uint UserId { get; init; }

    public uint GroupId { get; init; }

    /// <summary>At least 1. Of a directory: 2 + number of its sub-directories, on both rows of a transition point.</summary>
    public int LinkCount { get; init; } = 1;

    /// <summary>0 for none. Members of a group lie in one directory and one catalog and agree in all but the name.</summary>
    public int HardlinkGroup { get; init; }

    /// <summary>Whole-file object; null for everything but regular files, and usually null for chunked ones.</summary>
    public ObjectHash? Hash { get; init; }

    /// <summary>Flag bits. Those that follow from the mode and from <see cref="Chunks"/> are added on writing.</summary>
    public CatalogFlags Flags { get; init; }

    /// <summary>Algorithm of <see cref="Hash"/> and of the chunks.</summary>
    public HashAlgorithmId HashAlgorithm { get; init; } = HashAlgorithmId.Sha1;

    /// <summary>Compression of the object or chunks; regular files only.</summary>
    public CompressionAlgorithm Compression { get; init; }

    /// <summary>Raw target bytes, variables unexpanded; empty for all but symlinks.</summary>
    public ReadOnlyMemory<byte> SymlinkTarget { get; init; }

    /// <summary>Encoded attributes (see <c>Catalogs.Xattrs</c>), or null for none; never empty.</summary>
    public ReadOnlyMemory<byte>? Xattrs { get; init; }

    /// <summary>Pieces in order of offset; empty unless the file is chunked.</summary>
    public IReadOnlyList<FileChunk> Chunks { get; init; } = [];

    /// <summary>Type by the mode.</summary>
    /// <exception cref="InvalidOperationException">The mode's type bits name no file type.</exception>
    public EntryType Type => ModeBits.TypeOf(Mode) ?? throw new InvalidOperationException($"The mode {Mode:x} of {Path} names no file type.");

    /// <summary>True when the content lies outside the object store.</summary>
    public bool IsExternal => Flags.HasFlag(CatalogFlags.External);

    /// <summary>True when listings leave the entry out.</summary>
    public bool IsHidden => Flags.HasFlag(CatalogFlags.Hidden);

    /// <summary>The flags column: single bits, hash algorithm in bits 8 to 10, compression in bits 11 to 13.</summary>
    public int StoredFlags
    {
        get
        {
            var type = Type;
            var bits = Flags | type switch
            {
                EntryType.Directory => CatalogFlags.Directory,
                EntryType.Symlink => CatalogFlags.File | CatalogFlags.Symlink,
                EntryType.Special => CatalogFlags.File | CatalogFlags.Special,
                _ => CatalogFlags.File,
            };
            if (Chunks.Count > 0) bits |= CatalogFlags.Chunked;
            var stored = (int)bits;
            if (Hash is not null || bits.HasFlag(CatalogFlags.Chunked)) stored |= ((int)HashAlgorithm - 1) << HashShift;
            if (type == EntryType.Regular) stored |= (int)Compression << CompressionShift;
            return stored;
        }
    }

    internal const int HashShift = 8;
    internal const int HashMask = 7;
    internal const int CompressionShift = 11;
    internal const int CompressionMask = 7;

    /// <summary>The single bits of a flags column.</summary>
    internal static CatalogFlags SingleBits(long stored) => (CatalogFlags)(stored & ~(HashMask << HashShift | CompressionMask << CompressionShift));

    /// <inheritdoc/>
    public bool Equals(CatalogEntry? other) =>
        other is not null
        && Path == other.Path && Mode == other.Mode && Size == other.Size
        && ModifiedAt == other.ModifiedAt && ModifiedAtNanos == other.ModifiedAtNanos
        && UserId == other.UserId && GroupId == other.GroupId
        && LinkCount == other.LinkCount && HardlinkGroup == other.HardlinkGroup
        && Hash == other.Hash && Flags == other.Flags && HashAlgorithm == other.HashAlgorithm && Compression == other.Compression
        && SymlinkTarget.Span.SequenceEqual(other.SymlinkTarget.Span)
        && Xattrs is null == other.Xattrs is null
        && (Xattrs is not { } mine || mine.Span.SequenceEqual(other.Xattrs!.Value.Span))
        && Chunks.SequenceEqual(other.Chunks);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Path, Mode, Size, ModifiedAt, Hash, Flags);
}
