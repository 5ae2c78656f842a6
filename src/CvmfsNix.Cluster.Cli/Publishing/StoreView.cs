using System.Text;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Where store paths lie on this machine: in the store directory itself, or, with a root, below it
/// (<c>ROOT/nix/store/x</c> is <c>/nix/store/x</c>). Finds the store path that a path of the user's means.
/// </summary>
internal sealed class StoreView
{
    // As many links as the kernel follows.
    private const int LinksMax = 40;

    private readonly string _physical;

    public StoreView(StoreDirectory directory, string? root)
    {
        Directory = directory;
        Root = root is null ? null : Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        _physical = Root + directory.Value;
    }

    /// <summary>The logical store directory.</summary>
    public StoreDirectory Directory { get; }

    /// <summary>The root, absolute; null for the machine's own.</summary>
    public string? Root { get; }

    /// <summary>Where a store path lies on disk.</summary>
    public byte[] DiskPath(StorePathName name) => Encoding.UTF8.GetBytes(_physical + "/" + name.Value);

    /// <summary>
    /// The store path that <paramref name="path"/> is, lies in, or leads to by links such as <c>./result</c>. A store path
    /// that is itself a link is not followed.
    /// </summary>
    /// <exception cref="CliException">It leads nowhere, or out of the store.</exception>
    public StorePathName Resolve(string path)
    {
        string current = Path.GetFullPath(path);
        for (int links = 0; links <= LinksMax; links++)
        {
            if (TryTopLevel(current, path, out StorePathName name))
                return name;
            if (FollowFirstLink(current, path) is not { } next)
                throw NotInStore(path, $"it is {current}");
            current = next;
        }

        throw NotInStore(path, "it is a circle of links");
    }

    private bool TryTopLevel(string current, string asked, out StorePathName name)
    {
        name = default;
        string? below = Below(current, Directory.Value) ?? Below(current, _physical);
        if (below is null)
            return false;
        string first = below.Split('/', 2)[0];
        if (!StorePathName.TryParse(first, out name))
            throw NotInStore(asked, $"\"{first}\" is no name of a store path");
        return true;
    }

    private static string? Below(string path, string folder) =>
        path.Length > folder.Length + 1 && path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/'
            ? path[(folder.Length + 1)..]
            : null;

    // One link at a time, from the left: the store may be reached half-way, and what lies in it is not looked at.
    private static string? FollowFirstLink(string path, string asked)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string prefix = "";
        for (int i = 0; i < parts.Length; i++)
        {
            string parent = prefix.Length == 0 ? "/" : prefix;
            prefix += "/" + parts[i];
            var info = new FileInfo(prefix);
            if (info.LinkTarget is { } target)
                return Path.GetFullPath(Path.Combine([target, .. parts[(i + 1)..]]), parent);
            if (!Path.Exists(prefix))
                throw new CliException("PathNotFound", "There is no such file or directory.", asked, $"{prefix} does not exist; give a store path, a path below one, or a link to one");
        }

        return null;
    }

    private CliException NotInStore(string path, string found) => new(
        "NotAStorePath", $"This does not lead into {Directory.Value}: {found}.", path, $"give a path such as {Directory.Value}/<hash>-<name>, or a link to one");
}
