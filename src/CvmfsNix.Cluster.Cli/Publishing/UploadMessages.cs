using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Wire = CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>Trees and contents as messages of the control protocol, and back.</summary>
internal static class UploadMessages
{
    /// <summary>Most entries of one message.</summary>
    public const int EntriesMax = 2000;

    // Far below the 4 MiB that a server takes by default: long names and targets count too.
    private const int PartBytesMax = 1 << 20;

    /// <summary>The messages of one path, in order.</summary>
    public static IEnumerable<AddPathsRequest> Of(PathUpload upload)
    {
        PathInfo info = upload.Info;
        var header = new PathHeader
        {
            Path = info.Path.Value,
            NarHash = ByteString.CopyFrom(info.NarHash.ToArray()),
            NarSize = info.NarSize,
            Deriver = info.Deriver?.Value ?? "",
            ContentAddress = info.ContentAddress ?? "",
        };
        header.References.AddRange(info.References.Select(r => r.Value));
        header.Signatures.AddRange(info.Signatures);
        yield return new AddPathsRequest { Path = header };

        var part = new TreePart();
        int bytes = 0;
        foreach (TreeEntry entry in Entries(upload.Root))
        {
            part.Entries.Add(entry);
            bytes += entry.CalculateSize();
            if (part.Entries.Count >= EntriesMax || bytes >= PartBytesMax)
            {
                yield return new AddPathsRequest { Tree = part };
                part = new TreePart();
                bytes = 0;
            }
        }

        if (part.Entries.Count > 0)
            yield return new AddPathsRequest { Tree = part };
        yield return new AddPathsRequest { End = new PathEnd() };
    }

    /// <summary>What the node says of a content; null where it has none.</summary>
    public static Store.Trees.StoredContent? ToContent(Wire.StoredContent message, HashAlgorithmId algorithm)
    {
        if (message.Size < 0)
            return null;
        return new Store.Trees.StoredContent(
            message.Size,
            message.Compressed ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None,
            message.Hash.IsEmpty ? null : new ObjectHash(algorithm, message.Hash.Span),
            [.. message.Chunks.Select(c => new StoredChunk(c.Offset, c.Size, new ObjectHash(algorithm, c.Hash.Span)))]);
    }

    // Depth first with an explicit stack: how deep a tree goes is the builder's choice, not this program's limit.
    private static IEnumerable<TreeEntry> Entries(TreeNode root)
    {
        var stack = new Stack<(TreeNode? Begin, bool End)>();
        stack.Push((root, false));
        while (stack.TryPop(out (TreeNode? Begin, bool End) next))
        {
            if (next.Begin is not { } node)
            {
                yield return new TreeEntry { Kind = TreeEntryKind.DirectoryEnd };
                continue;
            }

            yield return ToEntry(node);
            if (node.Kind != TreeNodeKind.Directory)
                continue;
            stack.Push((null, true));
            for (int i = node.Children.Count - 1; i >= 0; i--)
                stack.Push((node.Children[i], false));
        }
    }

    private static TreeEntry ToEntry(TreeNode node)
    {
        var entry = new TreeEntry { Name = ByteString.CopyFrom(node.Name.Span) };
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                entry.Kind = TreeEntryKind.DirectoryBegin;
                break;
            case TreeNodeKind.Symlink:
                entry.Kind = TreeEntryKind.Symlink;
                entry.Target = ByteString.CopyFrom(node.Target.Span);
                break;
            default:
                entry.Kind = TreeEntryKind.Regular;
                entry.Executable = node.Executable;
                entry.Sha256 = ByteString.CopyFrom(node.Digest.ToArray());
                entry.Content = FromContent(node.Content!);
                break;
        }

        return entry;
    }

    private static Wire.StoredContent FromContent(Store.Trees.StoredContent content)
    {
        var message = new Wire.StoredContent
        {
            Size = content.Size,
            Compressed = content.Compression == CompressionAlgorithm.Zlib,
            Hash = content.Hash is { } hash ? ByteString.CopyFrom(hash.ToArray()) : ByteString.Empty,
        };
        message.Chunks.AddRange(content.Chunks.Select(c => new StoredPart { Offset = c.Offset, Size = c.Size, Hash = ByteString.CopyFrom(c.Hash.ToArray()) }));
        return message;
    }
}
