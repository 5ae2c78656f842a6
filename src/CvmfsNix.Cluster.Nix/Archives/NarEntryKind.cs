namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>The three kinds of node a Nix archive knows.</summary>
public enum NarEntryKind
{
    Directory,
    Regular,
    Symlink,
}
