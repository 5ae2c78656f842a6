using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>A row as it stands in the table, nothing believed.</summary>
internal sealed class CatalogRow
{
    public const int TypeMask = 0xF000;
    public const int TypeFifo = 0x1000;
    public const int TypeCharacterDevice = 0x2000;
    public const int TypeDirectory = 0x4000;
    public const int TypeBlockDevice = 0x6000;
    public const int TypeRegular = 0x8000;
    public const int TypeSymlink = 0xA000;
    public const int TypeSocket = 0xC000;

    public const long FlagDirectory = 1;
    public const long FlagMountPoint = 2;
    public const long FlagFile = 4;
    public const long FlagSymlink = 8;
    public const long FlagSpecial = 16;
    public const long FlagNestedRoot = 32;
    public const long FlagChunked = 64;
    public const long FlagExternal = 128;
    public const long FlagBind = 0x4000;
    public const long FlagDirectIo = 0x10000;

    public required RowKey Key { get; init; }

    public required RowKey Parent { get; init; }

    public required long Hardlinks { get; init; }

    /// <summary>Null for NULL; an empty blob is an empty array.</summary>
    public required byte[]? Hash { get; init; }

    public required bool HashIsBlob { get; init; }

    public required long Size { get; init; }

    public required long Mode { get; init; }

    public required long ModifiedAt { get; init; }

    public required long? ModifiedAtNanos { get; init; }

    public required long Flags { get; init; }

    public required byte[]? Name { get; init; }

    /// <summary>False for NULL, blobs and numbers.</summary>
    public required bool NameIsText { get; init; }

    public required byte[]? Symlink { get; init; }

    /// <inheritdoc cref="NameIsText"/>
    public required bool SymlinkIsText { get; init; }

    public required byte[]? Xattrs { get; init; }

    public long LinkCount => Hardlinks & uint.MaxValue;

    public long Group => Hardlinks >> 32;

    public int Type => (int)(Mode & TypeMask);

    public bool IsDirectory => Type == TypeDirectory;

    public bool IsRegular => Type == TypeRegular;

    public bool IsSpecial => Type is TypeFifo or TypeCharacterDevice or TypeBlockDevice or TypeSocket;

    public bool IsChunked => (Flags & FlagChunked) != 0;

    public bool IsExternal => (Flags & FlagExternal) != 0;

    public bool IsMountPoint => (Flags & FlagMountPoint) != 0;

    public bool IsBind => (Flags & FlagBind) != 0;

    /// <summary>Algorithm by bits 8 to 10, or null for an unknown one.</summary>
    public HashAlgorithmId? Algorithm => ((Flags >> 8) & 7) switch { 0 => HashAlgorithmId.Sha1, 1 => HashAlgorithmId.Rmd160, 2 => HashAlgorithmId.Shake128, _ => null };

    /// <summary>Compression by bits 11 to 13.</summary>
    public int Compression => (int)((Flags >> 11) & 7);

    /// <summary>What the other row of a transition point must agree with.</summary>
    public TransitionRow ToTransition() => new()
    {
        Name = Name ?? [],
        Hardlinks = Hardlinks,
        Size = Size,
        Mode = Mode,
        ModifiedAt = ModifiedAt,
        ModifiedAtNanos = ModifiedAtNanos,
        // An array that is null would become a memory that is empty.
        Hash = Hash is null ? null : (ReadOnlyMemory<byte>?)Hash,
        Flags = Flags,
        Symlink = Symlink ?? [],
        HasXattrs = Xattrs is { Length: > 0 },
    };
}
