using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>A node of a tree that has been read, with contents whose place is not known yet.</summary>
internal sealed record ScannedNode(
    NarEntryKind Kind, ReadOnlyMemory<byte> Name, bool Executable, ContentEntry? Content, ReadOnlyMemory<byte> Target, IReadOnlyList<ScannedNode> Children)
{
    /// <summary>The tree as it is handed in; all contents must be known.</summary>
    public TreeNode ToTree() => new()
    {
        Kind = Kind switch
        {
            NarEntryKind.Directory => TreeNodeKind.Directory,
            NarEntryKind.Symlink => TreeNodeKind.Symlink,
            _ => TreeNodeKind.Regular,
        },
        Name = Name,
        Executable = Executable,
        Digest = Content?.Digest ?? default,
        Content = Content?.Stored.Result,
        Target = Target,
        Children = Children.Count == 0 ? [] : [.. Children.Select(c => c.ToTree())],
    };
}

/// <summary>A file whose content this path is the first to have.</summary>
/// <param name="Entry">The content.</param>
/// <param name="DiskPath">Where it can be read again.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Kept">Its bytes, counted in the budget; null when it has to be read again.</param>
internal sealed record ScannedFile(ContentEntry Entry, ReadOnlyMemory<byte> DiskPath, long Size, PooledBytes? Kept)
{
    /// <summary>Memory of the bytes kept, as the budget counts it.</summary>
    public long Taken => Kept is null ? 0 : PooledBytes.TakenBy((int)Size);
}

/// <summary>A path that was read once and is what Nix registered.</summary>
/// <param name="Info">Its registration.</param>
/// <param name="Root">Its tree.</param>
/// <param name="Files">The files to ask about and, where they are missing, to send.</param>
/// <param name="Contents">Every content of the tree.</param>
internal sealed record ScannedPath(PathInfo Info, ScannedNode Root, IReadOnlyList<ScannedFile> Files, IReadOnlyCollection<ContentEntry> Contents);
