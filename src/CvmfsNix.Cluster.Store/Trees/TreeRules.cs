using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>
/// What a tree must be before any of its bytes are looked at: one that an archive can have, and one that a CernVM-FS client shows as it is.
/// </summary>
internal static class TreeRules
{
    /// <summary>The file whose presence marks the root directory of a nested catalog.</summary>
    public static ReadOnlySpan<byte> Marker => ".cvmfscatalog"u8;

    /// <exception cref="PathRejectedException">Names the node and the rule.</exception>
    public static void Check(PathUpload upload, RepositoryPath storePath, HashAlgorithmId algorithm)
    {
        if (!upload.Root.Name.IsEmpty)
            throw Invalid(upload.Info.Path.Value, "the root of a tree has no name of its own");
        CheckNode(upload.Root, storePath.Combine(upload.Info.Path.Value), 0, algorithm);
    }

    private static void CheckNode(TreeNode node, RepositoryPath path, int depth, HashAlgorithmId algorithm)
    {
        if (depth > TreeLimits.DepthMax)
            throw Invalid(path.ToString(), $"the tree is deeper than {TreeLimits.DepthMax} directories");
        if (node.Kind != TreeNodeKind.Directory && node.Children.Count > 0)
            throw Invalid(path.ToString(), "only a directory has children");
        if (node.Kind != TreeNodeKind.Regular && node.Content is not null)
            throw Invalid(path.ToString(), "only a regular file has content");
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                CheckChildren(node, path, depth, algorithm);
                break;
            case TreeNodeKind.Regular:
                CheckContent(node, path, algorithm);
                break;
            case TreeNodeKind.Symlink:
                CheckTarget(node.Target.Span, path);
                break;
            default:
                throw Invalid(path.ToString(), $"{node.Kind} is no kind of node");
        }
    }

    private static void CheckChildren(TreeNode node, RepositoryPath path, int depth, HashAlgorithmId algorithm)
    {
        ReadOnlyMemory<byte>? last = null;
        foreach (TreeNode child in node.Children)
        {
            ReadOnlySpan<byte> name = child.Name.Span;
            if (name.IsEmpty || name.Length > TreeLimits.NameBytesMax || name.ContainsAny((byte)'/', (byte)0) || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
                throw Invalid(path.ToString(), $"\"{Shown(name)}\" is not a legal file name");
            if (last is { } before && name.SequenceCompareTo(before.Span) <= 0)
                throw Invalid(path.ToString(), $"\"{Shown(name)}\" does not come after \"{Shown(before.Span)}\": names ascend bytewise and are unique");
            last = child.Name;

            // A catalog recognises its marker by name alone. One at the top of a store path can serve as the path's own marker.
            if (name.SequenceEqual(Marker) && (depth > 0 || child.Kind != TreeNodeKind.Regular))
            {
                throw new PathRejectedException(
                    PathRejectionCodes.NotRepresentable,
                    path.ToString(),
                    $"{path} has a .cvmfscatalog, which CernVM-FS allows only as a regular file at the top of a store path. Build the path without it.");
            }

            RepositoryPath childPath;
            try
            {
                childPath = path.Combine(name);
            }
            catch (FormatException e)
            {
                throw Invalid(path.ToString(), e.Message);
            }

            CheckNode(child, childPath, depth + 1, algorithm);
        }
    }

    private static void CheckContent(TreeNode node, RepositoryPath path, HashAlgorithmId algorithm)
    {
        if (node.Content is not { } content)
            throw Invalid(path.ToString(), "a regular file needs content");
        if (content.Size < 0 || content.Hash is null == (content.Chunks.Count == 0))
            throw Invalid(path.ToString(), "a content has a size and either a whole-file object or chunks");
        if (content.Hash is { } hash && hash.Algorithm != algorithm || content.Chunks.Any(c => c.Hash.Algorithm != algorithm))
            throw Invalid(path.ToString(), $"the repository names objects by {algorithm}");
        long offset = 0;
        foreach (StoredChunk chunk in content.Chunks)
        {
            if (chunk.Offset != offset || chunk.Size <= 0 || chunk.Size > content.Size - offset)
                throw Invalid(path.ToString(), $"the chunk at {chunk.Offset} does not continue the file at {offset}, is empty or reaches beyond its end");
            offset += chunk.Size;
        }

        if (content.Chunks.Count > 0 && offset != content.Size)
            throw Invalid(path.ToString(), $"the chunks end at {offset} of {content.Size} bytes");
    }

    private static void CheckTarget(ReadOnlySpan<byte> target, RepositoryPath path)
    {
        if (target.IsEmpty || target.Length > TreeLimits.TargetBytesMax || target.Contains((byte)0))
            throw Invalid(path.ToString(), $"a symbolic link has a target of 1 to {TreeLimits.TargetBytesMax} bytes without NUL");

        // Clients replace $(NAME) in targets by their own environment, so the link would lead elsewhere on every machine.
        if (target.IndexOf("$("u8) >= 0)
        {
            throw new PathRejectedException(
                PathRejectionCodes.NotRepresentable,
                path.ToString(),
                $"The target of the symbolic link {path} holds \"$(\", which CernVM-FS clients replace by a variable of their own. Build the path without it.");
        }
    }

    private static PathRejectedException Invalid(string what, string problem) =>
        new(PathRejectionCodes.InvalidTree, what, $"The tree of {what} is not legal: {problem}.");

    private static string Shown(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name[..Math.Min(name.Length, TreeLimits.NameBytesMax)]);
}
