using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Where a path on disk and the committed path of the same name part: both trees are walked in archive order, and the first difference is
/// told. Files of one size are compared byte by byte up to it, so the cost is what is equal before it.
/// </summary>
internal sealed class ContentDifference(RepositoryReader reader, CancellationToken cancellationToken)
{
    private const int BlockBytes = 64 * 1024;

    /// <summary>A sentence about the first difference; null when there is none.</summary>
    /// <param name="committed">The path in the repository.</param>
    /// <param name="disk">The path on disk.</param>
    public async Task<string?> FirstAsync(RepositoryPath committed, DiskEntry disk) =>
        await reader.FindAsync(committed, cancellationToken) is { } entry ? await CompareAsync(entry, disk, "") : null;

    private async Task<string?> CompareAsync(CatalogEntry there, DiskEntry here, string name)
    {
        string what = name.Length == 0 ? "the path itself" : name;
        if (KindOf(there) is var kind && kind != here.Kind)
            return $"{what} is a {NameOf(kind)} in the repository and a {NameOf(here.Kind)} here";
        switch (kind)
        {
            case NarEntryKind.Symlink:
                return there.SymlinkTarget.Span.SequenceEqual(here.SymlinkTarget.Span)
                    ? null
                    : $"{what} leads to {Shown(there.SymlinkTarget.Span)} in the repository and to {Shown(here.SymlinkTarget.Span)} here";
            case NarEntryKind.Directory:
                return await CompareChildrenAsync(there, here, name);
            default:
                bool executable = (there.Mode & 0b001_000_000) != 0;
                if (executable != here.Executable)
                    return $"{what} is {(executable ? "" : "not ")}executable in the repository and {(here.Executable ? "" : "not ")}here";
                if (there.Size != here.Size)
                    return $"{what} has {there.Size} bytes in the repository and {here.Size} here";
                return await FirstDifferentByteAsync(there, here) is { } offset ? $"{what} differs at byte {offset} of {here.Size}" : null;
        }
    }

    private async Task<string?> CompareChildrenAsync(CatalogEntry there, DiskEntry here, string name)
    {
        var committed = new List<CatalogEntry>();
        await foreach (CatalogEntry child in reader.ListAsync(there.Path, includeHidden: false, cancellationToken))
            committed.Add(child);
        committed.Sort(static (a, b) => a.Path.Name.Span.SequenceCompareTo(b.Path.Name.Span));
        IReadOnlyList<DiskEntry> found = DiskTree.List(here.FullPath.Span);
        for (int i = 0; i < Math.Max(committed.Count, found.Count); i++)
        {
            int order = i >= found.Count ? -1 : i >= committed.Count ? 1 : committed[i].Path.Name.Span.SequenceCompareTo(found[i].Name.Span);
            if (order < 0)
                return $"{Below(name, committed[i].Path.Name.Span)} is in the repository and not here";
            if (order > 0)
                return $"{Below(name, found[i].Name.Span)} is here and not in the repository";
            if (await CompareAsync(committed[i], found[i], Below(name, found[i].Name.Span)) is { } difference)
                return difference;
        }

        return null;
    }

    private async Task<long?> FirstDifferentByteAsync(CatalogEntry there, DiskEntry here)
    {
        await using Stream committed = await reader.OpenFileAsync(there, cancellationToken);
        await using Stream disk = DiskTree.OpenRead(here);
        var (one, other) = (new byte[BlockBytes], new byte[BlockBytes]);
        for (long offset = 0; ;)
        {
            int read = await committed.ReadAtLeastAsync(one, BlockBytes, throwOnEndOfStream: false, cancellationToken);
            int same = await disk.ReadAtLeastAsync(other, BlockBytes, throwOnEndOfStream: false, cancellationToken);
            int common = one.AsSpan(0, read).CommonPrefixLength(other.AsSpan(0, same));
            if (common < read || common < same)
                return offset + common;
            if (read < BlockBytes)
                return null;
            offset += read;
        }
    }

    private static NarEntryKind KindOf(CatalogEntry entry) => entry.Type switch
    {
        EntryType.Directory => NarEntryKind.Directory,
        EntryType.Symlink => NarEntryKind.Symlink,
        _ => NarEntryKind.Regular,
    };

    private static string NameOf(NarEntryKind kind) => kind switch
    {
        NarEntryKind.Directory => "directory",
        NarEntryKind.Symlink => "symbolic link",
        _ => "file",
    };

    private static string Below(string folder, ReadOnlySpan<byte> name) => folder.Length == 0 ? Shown(name) : $"{folder}/{Shown(name)}";

    private static string Shown(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
