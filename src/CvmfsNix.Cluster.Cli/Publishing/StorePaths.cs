using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>Store paths with what Nix knows about them, and where they lie on disk.</summary>
internal sealed class StorePaths(StoreView view, IPathInfoSource source)
{
    // Environment variable that tells Nix of a relocated store.
    private const string StoreDirectoryVariable = "NIX_STORE_DIR";

    public StoreView View => view;

    /// <summary>
    /// Opens the source that the switches name: a registration file, else Nix itself, on the machine's own store or on
    /// a store below a root.
    /// </summary>
    /// <param name="storeRoot">The root, or null.</param>
    /// <param name="registration">The registration file, or null.</param>
    /// <param name="environment">Reads an environment variable.</param>
    /// <param name="warn">Told what Nix could not be asked for although the publish goes on.</param>
    /// <param name="cancellationToken">Ends the reading of the file.</param>
    public static async Task<StorePaths> OpenAsync(
        string? storeRoot, string? registration, Func<string, string?> environment, Action<string> warn, CancellationToken cancellationToken)
    {
        StoreDirectory directory = environment(StoreDirectoryVariable) is { Length: > 0 } text ? Parse(text) : StoreDirectory.Default;
        var view = new StoreView(directory, storeRoot);
        if (registration is not null)
        {
            try
            {
                return new StorePaths(view, await RegistrationFileSource.LoadAsync(registration, directory, cancellationToken));
            }
            catch (Exception e) when (e is RegistrationFormatException or PathInfoSourceException or IOException or UnauthorizedAccessException)
            {
                throw new CliException("InvalidRegistration", e.Message, registration, "make it with: nix-store --dump-db $(nix-store -qR PATH…) > FILE", innerException: e);
            }
        }

        if (view.Root is not { } root)
            return new StorePaths(view, new LocalNixStore(directory, warn: warn));
        if (!System.IO.Directory.Exists(root + "/nix/var/nix/db"))
        {
            throw CliException.Usage(
                "A store root without a Nix database needs --registration.", root, "make it with: nix-store --dump-db > FILE, where the paths are registered");
        }

        // A chroot store of Nix has the same layout; Nix reads its database there.
        return new StorePaths(view, new LocalNixStore(
            directory, environment: new Dictionary<string, string> { ["NIX_REMOTE"] = $"local?root={root}" }, warn: warn));
    }

    /// <summary>The store paths meant by what the user gave, each once, in the order given.</summary>
    public IReadOnlyList<StorePathName> Resolve(IEnumerable<string> paths) => [.. paths.Select(view.Resolve).Distinct()];

    /// <summary>The infos of these paths, or of all they refer to; references first.</summary>
    public async Task<IReadOnlyList<PathInfo>> InfosAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken)
    {
        try
        {
            return await source.QueryAsync(roots, closure, cancellationToken);
        }
        catch (PathInfoSourceException e)
        {
            throw new CliException("UnknownPath", e.Message, string.Join(' ', roots.Take(3).Select(view.Directory.FullPath)), "publish valid store paths; check with nix-store -q --hash PATH", innerException: e);
        }
    }

    private static StoreDirectory Parse(string text)
    {
        try
        {
            return StoreDirectory.Parse(text);
        }
        catch (StorePathFormatException e)
        {
            throw CliException.Usage(e.Message, StoreDirectoryVariable, "set it as Nix has it, or not at all");
        }
    }
}
