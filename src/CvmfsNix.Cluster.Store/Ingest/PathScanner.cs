using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Reads a path once, in archive order: for the digest of each content and for the NAR hash, which must be the registered one.
/// Small files stay in memory as far as there is room for them.
/// </summary>
internal sealed class PathScanner(ContentTable contents, Action<long> bytesRead, CancellationToken cancellationToken)
{
    /// <summary>Files up to this size are kept for compression; larger ones are read again.</summary>
    public const int KeptBytesMax = 1 << 20;

    private const int BlockBytes = 512 * 1024;

    /// <summary>CPU-bound and blocking; memory: the tree, one block, and what is kept.</summary>
    /// <param name="info">Its registration.</param>
    /// <param name="diskPath">Where it lies.</param>
    /// <param name="room">Memory for files that are kept, as <see cref="PooledBytes.TakenBy"/> counts it.</param>
    /// <exception cref="IngestException">The tree is not what Nix registered.</exception>
    /// <exception cref="FileChangedException">Something writes to the tree.</exception>
    /// <exception cref="DiskAccessException">Something of the tree cannot be read.</exception>
    /// <exception cref="UnsupportedFileTypeException">It holds what no archive can hold.</exception>
    public ScannedPath Scan(PathInfo info, byte[] diskPath, long room)
    {
        using var archive = new NarHashBuilder();
        List<ScannedFile> files = [];
        HashSet<ContentEntry> all = [];
        int entries = 0;
        ScannedNode root = Visit(DiskTree.Stat(diskPath) with { Name = ReadOnlyMemory<byte>.Empty });
        (NarHash hash, long size) = archive.Finish();
        if (hash == info.NarHash && size == info.NarSize)
            return new ScannedPath(info, root, files, all);
        string shown = DiskPath.Show(diskPath);
        throw new IngestException(
            "NarHashMismatch",
            info.Path.Value,
            $"{shown} is registered with NAR hash {info.NarHash} and {info.NarSize} bytes, but on disk it has {hash} and {size} bytes.",
            "The path is damaged or was changed: nix-store --verify-path tells, nix-store --repair-path mends. Nothing of it was sent.");

        ScannedNode Visit(DiskEntry entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (++entries > TreeLimits.EntriesMax)
                throw TooLarge(info);
            switch (entry.Kind)
            {
                case NarEntryKind.Directory:
                    archive.BeginDirectory(entry.Name.Span);
                    List<ScannedNode> children = [];
                    IReadOnlyList<DiskEntry> found = DiskTree.List(entry.FullPath.Span);
                    // One directory may have more than all of a path may: nothing of it need be read then.
                    if (found.Count > TreeLimits.EntriesMax - entries)
                        throw TooLarge(info);
                    foreach (DiskEntry child in found)
                        children.Add(Visit(child));
                    archive.EndDirectory();
                    return new ScannedNode(entry.Kind, entry.Name, false, null, default, children);
                case NarEntryKind.Symlink:
                    archive.Symlink(entry.Name.Span, entry.SymlinkTarget.Span);
                    return new ScannedNode(entry.Kind, entry.Name, false, null, entry.SymlinkTarget, []);
                default:
                    archive.BeginFile(entry.Name.Span, entry.Executable, entry.Size);
                    ContentEntry content = entry.Size <= KeptBytesMax ? ReadSmall(archive, entry, files, ref room) : ReadLarge(archive, entry, files);
                    archive.EndFile();
                    bytesRead(entry.Size);
                    all.Add(content);
                    return new ScannedNode(entry.Kind, entry.Name, entry.Executable, content, default, []);
            }
        }
    }

    private static IngestException TooLarge(PathInfo info) => new(
        PathRejectionCodes.InvalidTree,
        info.Path.Value,
        $"{info.Path} has more than {TreeLimits.EntriesMax} files, directories and links, the most that one store path may have.",
        "Build it as several store paths, or pack what is many and small into an archive. Nothing of it was sent.");

    private ContentEntry ReadSmall(NarHashBuilder archive, DiskEntry entry, List<ScannedFile> files, ref long room)
    {
        var bytes = new PooledBytes((int)entry.Size);
        bool kept = false;
        try
        {
            FileContent.ReadWhole(entry.FullPath, entry.Size, bytes);
            archive.AppendFile(bytes.Span);
            if (contents.Claim(FileContent.DigestOf(bytes.Span), out ContentEntry content))
            {
                int taken = PooledBytes.TakenBy((int)entry.Size);
                kept = taken <= room;
                room -= kept ? taken : 0;
                files.Add(new ScannedFile(content, entry.FullPath, entry.Size, kept ? bytes : null));
            }

            return content;
        }
        finally
        {
            if (!kept)
                bytes.Return();
        }
    }

    private ContentEntry ReadLarge(NarHashBuilder archive, DiskEntry entry, List<ScannedFile> files)
    {
        using Stream stream = DiskTree.OpenRead(entry);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            int read;
            while ((read = stream.ReadAtLeast(block.AsSpan(0, BlockBytes), BlockBytes, throwOnEndOfStream: false)) > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                // Two independent hashes of the same block: a path with one huge file keeps two cores busy.
                Parallel.Invoke(() => digest.AppendData(block, 0, read), () => archive.AppendFile(block.AsSpan(0, read)));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }

        if (contents.Claim(new ContentDigest(digest.GetHashAndReset()), out ContentEntry content))
            files.Add(new ScannedFile(content, entry.FullPath, entry.Size, null));
        return content;
    }
}
