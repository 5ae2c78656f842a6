using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>The objects that a tree's files lie in.</summary>
public static class PathObjects
{
    /// <summary>Every object of <paramref name="root"/> once, in the order of the tree.</summary>
    public static IReadOnlyList<ObjectName> Of(TreeNode root)
    {
        ArgumentNullException.ThrowIfNull(root);
        var names = new List<ObjectName>();
        var seen = new HashSet<ObjectName>();
        foreach (TreeNode file in FilesOf(root))
        {
            foreach (ObjectName name in Of(file.Content!))
            {
                if (seen.Add(name))
                    names.Add(name);
            }
        }

        return names;
    }

    /// <summary>The whole-file object or the chunks of a content.</summary>
    public static IEnumerable<ObjectName> Of(StoredContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        return content.Hash is { } hash
            ? [new ObjectName(hash, ObjectKind.Data)]
            : content.Chunks.Select(c => new ObjectName(c.Hash, ObjectKind.Chunk));
    }

    /// <summary>The regular files of a tree, in its order.</summary>
    public static IEnumerable<TreeNode> FilesOf(TreeNode root)
    {
        var open = new Stack<TreeNode>();
        open.Push(root);
        while (open.TryPop(out TreeNode? node))
        {
            if (node.Kind == TreeNodeKind.Regular)
                yield return node;
            for (int i = node.Children.Count - 1; i >= 0; i--)
                open.Push(node.Children[i]);
        }
    }
}
