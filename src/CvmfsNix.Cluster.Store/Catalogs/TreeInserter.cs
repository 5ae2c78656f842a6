using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>Writes the nodes of a tree into a catalog, in the tree's order: the order decides the bytes.</summary>
internal static class TreeInserter
{
    public static void Insert(CatalogWriter catalog, TreeNode node, RepositoryPath path, HashAlgorithmId algorithm)
    {
        catalog.Insert(CatalogRows.Of(node, path, algorithm));
        InsertChildren(catalog, node, path, algorithm);
    }

    public static void InsertChildren(CatalogWriter catalog, TreeNode node, RepositoryPath path, HashAlgorithmId algorithm)
    {
        foreach (TreeNode child in node.Children)
            Insert(catalog, child, path.Combine(child.Name.Span), algorithm);
    }
}
