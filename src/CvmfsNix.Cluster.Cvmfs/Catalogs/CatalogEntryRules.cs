using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>What the stock checker demands of a single row, asked before it is written.</summary>
internal static class CatalogEntryRules
{
    private const CatalogFlags TypeBits = CatalogFlags.Directory | CatalogFlags.File | CatalogFlags.Symlink | CatalogFlags.Special;
    private const CatalogFlags Transition = CatalogFlags.MountPoint | CatalogFlags.NestedRoot | CatalogFlags.BindMountPoint;

    /// <summary>Throws when the entry must not be written.</summary>
    /// <exception cref="ArgumentException">A rule is broken.</exception>
    public static void Check(CatalogEntry entry, RepositoryPath rootPrefix)
    {
        if (Fault(entry, rootPrefix) is { } fault) throw new ArgumentException($"{entry.Path} cannot be written to the catalog of {rootPrefix}: {fault}.", nameof(entry));
    }

    private static string? Fault(CatalogEntry entry, RepositoryPath rootPrefix)
    {
        if (!entry.Path.IsAtOrBelow(rootPrefix)) return "it lies outside";
        if (ModeBits.TypeOf(entry.Mode) is not { } type) return $"its mode {entry.Mode:x} names no file type";
        if (entry.LinkCount < 1) return $"its link count is {entry.LinkCount}";
        if (entry.HardlinkGroup < 0) return "its hard link group is negative";
        if (entry.Size < 0) return $"its size is {entry.Size}";
        if (entry.ModifiedAtNanos is < 0 or > 999_999_999) return $"its nanoseconds are {entry.ModifiedAtNanos}";
        if (entry.Xattrs is { } xattrs && !Xattrs.TryDecode(xattrs, out _)) return "its extended attributes are not well-formed; none at all are written as null";
        if (entry.Hash is { } hash && (hash.IsNull || hash.Algorithm != entry.HashAlgorithm)) return "its hash is all zero or of another algorithm than the entry says";
        if (!entry.HashAlgorithm.IsKnown()) return "its hash algorithm is unknown";
        var flags = (CatalogFlags)entry.StoredFlags;
        if (((flags & TypeBits) ^ ExpectedTypeBits(type)) != 0) return "its flags and its mode name different types";
        if (type != EntryType.Regular && entry.Hash is not null) return "only regular files have a hash";
        if (type != EntryType.Regular && entry.Chunks.Count > 0) return "only regular files have chunks";
        if (type != EntryType.Regular && (flags & (CatalogFlags.Chunked | CatalogFlags.External | CatalogFlags.DirectIo)) != 0) return "only regular files are chunked, external or direct";
        if (type != EntryType.Directory && (flags & Transition) != 0) return "only directories are transition points";
        if (System.Numerics.BitOperations.PopCount((uint)(flags & Transition)) > 1) return "it is two kinds of transition point at once";
        if (flags.HasFlag(CatalogFlags.NestedRoot) && (entry.Path != rootPrefix || rootPrefix.IsRoot)) return "only the root row of a nested catalog is a nested root";
        if (entry.Path == rootPrefix && (type != EntryType.Directory || flags.HasFlag(CatalogFlags.NestedRoot) == rootPrefix.IsRoot)) return "the root row is a directory, and a nested root exactly in nested catalogs";
        if (type == EntryType.Directory && entry.HardlinkGroup != 0) return "a directory has no hard link group";
        if (type != EntryType.Directory && entry.LinkCount > 1 && entry.HardlinkGroup == 0) return "several links need a hard link group";
        if (type == EntryType.Symlink ? entry.SymlinkTarget.IsEmpty || entry.SymlinkTarget.Span.Contains((byte)0) : !entry.SymlinkTarget.IsEmpty) return "a symlink, and nothing else, has a target, without NUL";
        return type == EntryType.Regular ? ContentFault(entry, flags) : null;
    }

    private static string? ContentFault(CatalogEntry entry, CatalogFlags flags)
    {
        if (entry.Compression is not (CompressionAlgorithm.Zlib or CompressionAlgorithm.None)) return "its compression is unknown";
        if (!flags.HasFlag(CatalogFlags.Chunked)) return entry.Hash is null ? "a regular file needs a hash or chunks" : null;
        long end = 0;
        foreach (var chunk in entry.Chunks)
        {
            if (chunk.Offset != end || chunk.Size <= 0) return $"its chunk at {chunk.Offset} of {chunk.Size} bytes does not continue at {end}";
            if (chunk.Hash.IsNull || chunk.Hash.Algorithm != entry.HashAlgorithm) return $"the hash of its chunk at {chunk.Offset} is all zero or of another algorithm than the entry says";
            end += chunk.Size;
        }

        return end == entry.Size && entry.Chunks.Count > 0 ? null : $"its chunks hold {end} of {entry.Size} bytes";
    }

    private static CatalogFlags ExpectedTypeBits(EntryType type) => type switch
    {
        EntryType.Directory => CatalogFlags.Directory,
        EntryType.Symlink => CatalogFlags.File | CatalogFlags.Symlink,
        EntryType.Special => CatalogFlags.File | CatalogFlags.Special,
        _ => CatalogFlags.File,
    };
}
