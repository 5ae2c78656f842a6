using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>A folder that holds a tree of Nix, <c>DIR/nix/store</c>: a mounted repository or any other.</summary>
internal sealed record NixTree
{
    private const string MountFolder = "/cvmfs";

    private NixTree(string folder) => Folder = folder;

    /// <summary>The folder that becomes <c>/nix</c>, absolute.</summary>
    public string Folder { get; }

    /// <summary>The database of Nix in the tree, whether it is there or not.</summary>
    public string Database => Folder + "/var/nix/db/db.sqlite";

    /// <summary>Finds the tree in a folder, or in the mount point of a repository.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public static NixTree Find(string? folder, string? repository)
    {
        string root = Path.GetFullPath(folder ?? $"{MountFolder}/{repository}");
        if (Directory.Exists(root + "/nix/store"))
            return new NixTree(root == "/" ? "/nix" : root + "/nix");
        string found = Directory.Exists(root) ? $"{root} holds no nix/store." : $"There is no folder {root}.";
        throw folder is null
            ? new CliException("NotMounted", found, repository ?? "", $"mount the repository there with the CernVM-FS client (cvmfsnix client-config --repo {repository} prints its settings), or name a folder with --repo-dir")
            : new CliException("NoNixTree", found, folder, "name the folder above nix/store: a mounted repository, or where cvmfsnix get or nix copy --to 'local?root=DIR' has put one");
    }

    /// <summary>Makes sure that Nix itself can open the tree as a store.</summary>
    /// <exception cref="CliException">What it needs is not there.</exception>
    public void CheckDatabase()
    {
        if (!File.Exists(Database))
        {
            throw new CliException(
                "NoNixDatabase", "The tree holds no database of Nix, so that Nix would find none of its paths valid.", Database,
                "leave --store away (programs do not need it), or use a tree that has one");
        }

        // Nix makes this folder where it is missing, and the tree cannot be written.
        if (!Directory.Exists(Folder + "/store/.links"))
        {
            throw new CliException(
                "NoNixDatabase", "The tree's store has no folder .links, without which Nix does not open a store that cannot be written.", Folder + "/store/.links",
                "leave --store away (programs do not need it), or make that folder, empty, where the tree comes from");
        }
    }
}
