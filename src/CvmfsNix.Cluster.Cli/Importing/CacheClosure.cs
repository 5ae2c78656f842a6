using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.Compression;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Importing;

/// <summary>Walks the references of paths through a cache and checks what it tells of each.</summary>
/// <param name="cache">The cache.</param>
/// <param name="directory">Its store directory.</param>
/// <param name="trusted">Keys of which one must have signed each path; null = signatures do not matter.</param>
internal sealed class CacheClosure(BinaryCache cache, StoreDirectory directory, IReadOnlyList<NixPublicKey>? trusted)
{
    private const int Parallel = 16;
    private const int PathsMax = 1_000_000;

    /// <summary>The narinfos of the paths and, unless only they are wanted, of everything they refer to; references first.</summary>
    /// <exception cref="CliException">The cache lacks one, tells nonsense, or nobody trusted has signed it.</exception>
    public async Task<IReadOnlyList<NarInfo>> WalkAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken)
    {
        Dictionary<StorePathName, NarInfo> found = [];
        HashSet<StorePathName> seen = [.. roots];
        List<StorePathName> level = [.. seen];
        while (level.Count > 0)
        {
            var infos = new NarInfo[level.Count];
            await System.Threading.Tasks.Parallel.ForAsync(
                0, level.Count, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken },
                async (i, token) => infos[i] = Checked(level[i], await cache.NarInfoAsync(directory, level[i], token)));
            level = [];
            foreach (NarInfo info in infos)
            {
                found.Add(info.Path, info);
                if (closure)
                    level.AddRange(info.References.Where(seen.Add));
            }

            if (seen.Count > PathsMax)
                throw new CliException("TooManyPaths", $"The closure has more than {PathsMax} paths.", cache.Name, "import parts of it one after the other");
        }

        try
        {
            return [.. ReferenceOrder.Sort(found.Values.Select(static info => info.ToPathInfo())).Select(info => found[info.Path])];
        }
        catch (PathInfoSourceException e)
        {
            throw cache.Damaged("narinfo", e.Message);
        }
    }

    private NarInfo Checked(StorePathName path, NarInfo? info)
    {
        string full = directory.FullPath(path);
        if (info is null)
            throw new CliException("UnknownPath", "The cache does not have this path.", full, $"check it with: nix path-info --store {cache.Name} {full}");
        if (!NarDecompression.IsSupported(info.Compression))
            throw new CliException("UnsupportedCompression", $"Its archive is compressed with {info.Compression}.", full, "copy it to another cache with none, zstd or xz (nix copy --to 'file:///DIR?compression=zstd'), and import from there");
        if (trusted is not null && !IsTrusted(info.ToPathInfo()))
            throw new CliException("UntrustedPath", "None of the trusted keys has signed this path.", full, "name the cache's key with --trusted-key, or say --no-check-sigs", CommandLine.ExitCode.Refused);
        return info;
    }

    private bool IsTrusted(PathInfo info)
    {
        string fingerprint = Fingerprint.Of(directory, info);
        if (info.Signatures.Any(signature => trusted!.Any(key => key.Verify(fingerprint, signature))))
            return true;
        try
        {
            // The name of such a path vouches for its content.
            return info.ContentAddress is { } address && StorePathComputation.Matches(directory, info.Path, address, info.NarHash, info.References) == true;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
