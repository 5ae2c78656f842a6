using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.Signing;

/// <summary>The text that signatures of store paths are made over.</summary>
public static class Fingerprint
{
    /// <summary>Version, full path, NAR hash and size, and the full paths of all references, sorted. Nothing of how the archive is stored is in it.</summary>
    public static string Of(StoreDirectory directory, PathInfo info)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(info);
        string references = string.Join(',', info.References.Order().Select(directory.FullPath));
        return string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"1;{directory.FullPath(info.Path)};{info.NarHash};{info.NarSize};{references}");
    }
}
