using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Verify.Catalogs;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>What a single row must be, whatever stands around it.</summary>
internal static class RowRules
{
    private const long TypeBits = CatalogRow.FlagDirectory | CatalogRow.FlagFile | CatalogRow.FlagSymlink | CatalogRow.FlagSpecial;
    private const int HashBytes = 20;
    private const int CompressionMax = 1;

    /// <summary>Checks a row. A row of uncertain type is not looked at any further.</summary>
    /// <param name="row">The row.</param>
    /// <param name="isCatalogRoot">It is the row of the directory the catalog is mounted at.</param>
    /// <param name="hasChunkRows">Tells whether there are chunk rows of this key.</param>
    /// <param name="report">Takes rule and message.</param>
    public static void Check(CatalogRow row, bool isCatalogRoot, Func<bool> hasChunkRows, Action<string, string> report)
    {
        if (!row.NameIsText)
            report(VerifyRules.NullText, row.Name is null ? "The name is NULL." : "The name is no text.");
        if (!row.SymlinkIsText)
            report(VerifyRules.NullText, $"The column symlink is {(row.Symlink is null ? "NULL" : "no text")}; without a target it is the empty text.");
        if (TypeFault(row) is { } fault)
        {
            report(VerifyRules.EntryType, fault);
            return;
        }

        CheckSizes(row, report);
        CheckFlags(row, isCatalogRoot, report);
        CheckHash(row, hasChunkRows, report);
        CheckLinks(row, report);
        if (row.Xattrs is { } xattrs)
            CheckXattrs(xattrs, report);
        if (row.Symlink is not { } target)
            return;
        if (row.Type == CatalogRow.TypeSymlink && (target.Length == 0 || target.Contains((byte)0)))
            report(VerifyRules.SymlinkTarget, target.Length == 0 ? "The symbolic link has no target." : "The target of the symbolic link has a NUL.");
        else if (row.Type != CatalogRow.TypeSymlink && target.Length > 0)
            report(VerifyRules.SymlinkTarget, $"It is no symbolic link, but has the target \"{Shown.Text(target)}\".");
    }

    /// <summary>What speaks against a file name, or null.</summary>
    public static string? NameFault(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
            return "it is empty";
        if (name.IndexOfAny((byte)'/', (byte)0) >= 0)
            return "it has a slash or a NUL";
        return name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) ? "it is reserved" : null;
    }

    /// <summary>What speaks against a directory's name for its length, or null.</summary>
    public static string? PathFault(RepositoryPath directory, ReadOnlySpan<byte> name) =>
        directory.Bytes.Length + 1 + name.Length > RepositoryPath.LengthMax ? $"the path has more than {RepositoryPath.LengthMax} bytes" : null;

    private static string? TypeFault(CatalogRow row)
    {
        long expected;
        if (row.IsDirectory)
            expected = CatalogRow.FlagDirectory;
        else if (row.IsRegular)
            expected = CatalogRow.FlagFile;
        else if (row.Type == CatalogRow.TypeSymlink)
            expected = CatalogRow.FlagFile | CatalogRow.FlagSymlink;
        else if (row.IsSpecial)
            expected = CatalogRow.FlagFile | CatalogRow.FlagSpecial;
        else
            return $"The mode {Convert.ToString(row.Mode, 8)} (octal) names no file type.";
        return (row.Flags & TypeBits) == expected
            ? null
            : $"The mode {Convert.ToString(row.Mode, 8)} (octal) asks for {expected} in the type bits of the flags, which are {row.Flags & TypeBits}.";
    }

    private static void CheckSizes(CatalogRow row, Action<string, string> report)
    {
        if (row.Size < 0)
            report(VerifyRules.EntrySize, $"The size is {row.Size}.");
        else if (row.Type is CatalogRow.TypeFifo or CatalogRow.TypeSocket && row.Size != 0)
            report(VerifyRules.EntrySize, $"A FIFO or socket has the size {row.Size} instead of 0.");
        if (row.ModifiedAtNanos is < 0 or > 999_999_999)
            report(VerifyRules.EntrySize, $"The nanoseconds are {row.ModifiedAtNanos}.");
    }

    private static void CheckFlags(CatalogRow row, bool isCatalogRoot, Action<string, string> report)
    {
        long transition = row.Flags & (CatalogRow.FlagMountPoint | CatalogRow.FlagNestedRoot | CatalogRow.FlagBind);
        if (transition != 0 && !row.IsDirectory)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} make a transition point of something that is no directory.");
        else if (System.Numerics.BitOperations.PopCount((ulong)transition) > 1)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} make two kinds of transition point of one directory.");
        else if (isCatalogRoot && (transition & ~CatalogRow.FlagNestedRoot) != 0)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} make a mount point of the catalog's own root.");
        else if (!isCatalogRoot && (transition & CatalogRow.FlagNestedRoot) != 0)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} make a nested root of a directory that is not the catalog's root.");

        if (!row.IsRegular && (row.Flags & (CatalogRow.FlagExternal | CatalogRow.FlagDirectIo | CatalogRow.FlagChunked)) != 0)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} make something external, direct or chunked that is no regular file.");
        if (row.Algorithm is null && (row.Hash is not null || row.IsChunked))
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} name an unknown hash algorithm.");
        if (row.IsRegular && row.Compression > CompressionMax)
            report(VerifyRules.EntryFlags, $"The flags {row.Flags} name an unknown compression.");
    }

    private static void CheckHash(CatalogRow row, Func<bool> hasChunkRows, Action<string, string> report)
    {
        if (row.Hash is { Length: 0 })
            report(VerifyRules.EmptyBlob, "The hash is an empty blob instead of NULL.");
        else if (row.Hash is not null && !row.IsRegular)
            report(VerifyRules.EntryHash, "It has a hash, but is no regular file.");
        else if (HashFault(row.Hash, row.HashIsBlob) is { } fault)
            report(VerifyRules.EntryHash, fault);
        else if (row.Hash is null && row.IsRegular && !row.IsChunked && !hasChunkRows())
            report(VerifyRules.EntryHash, "A regular file has neither a hash nor chunks.");
    }

    /// <summary>What speaks against a stored hash, or null; NULL is no hash at all.</summary>
    public static string? HashFault(byte[]? hash, bool isBlob)
    {
        if (hash is null)
            return null;
        if (!isBlob || hash.Length != HashBytes)
            return $"The hash is {(isBlob ? "a blob" : "a text")} of {hash.Length} bytes instead of a blob of {HashBytes}.";
        return hash.AsSpan().ContainsAnyExcept((byte)0) ? null : "The hash is all zero.";
    }

    private static void CheckLinks(CatalogRow row, Action<string, string> report)
    {
        if (row.Group < 0 || (row.IsDirectory && row.Group != 0))
        {
            report(VerifyRules.HardlinkGroup, row.Group < 0 ? $"The hard link group is {row.Group}." : $"A directory is in the hard link group {row.Group}.");
            return;
        }

        // What a directory's link count has to be only its entries tell.
        if (row.LinkCount == 0 && (!row.IsDirectory || row.IsMountPoint || row.IsBind))
            report(VerifyRules.LinkCount, "The link count is 0.");
        if (!row.IsDirectory && row.LinkCount > 1 && row.Group == 0)
            report(VerifyRules.HardlinkGroup, $"The link count is {row.LinkCount}, but the file is in no hard link group.");
    }

    private static void CheckXattrs(ReadOnlySpan<byte> blob, Action<string, string> report)
    {
        if (blob.IsEmpty)
        {
            report(VerifyRules.EmptyBlob, "The extended attributes are an empty blob instead of NULL.");
            return;
        }

        if (XattrFault(blob) is { } fault)
            report(VerifyRules.XattrFormat, $"The extended attributes are broken: {fault}.");
    }

    // version(1) count(1…255), then count times: key length(1…255) value length key value; every number is one byte.
    private static string? XattrFault(ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 2)
            return "they have one byte";
        if (blob[0] != 1)
            return $"their version is {blob[0]}";
        if (blob[1] == 0)
            return "their count is 0, where NULL belongs";
        ReadOnlySpan<byte> rest = blob[2..];
        for (int i = 0; i < blob[1]; i++)
        {
            if (rest.Length < 2 || rest.Length < 2 + rest[0] + rest[1])
                return $"they end in number {i + 1} of {blob[1]}";
            ReadOnlySpan<byte> key = rest.Slice(2, rest[0]);
            if (key.IsEmpty || key.Contains((byte)0))
                return $"the key of number {i + 1} is empty or has a NUL";
            rest = rest[(2 + rest[0] + rest[1])..];
        }

        return rest.IsEmpty ? null : $"{rest.Length} bytes follow the last of {blob[1]}";
    }
}
