using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>
/// Asks the Nix store of this machine: <c>nix-store</c> for hashes and references, <c>nix path-info</c> for signatures and
/// content addresses, which the former does not tell. Where the latter is absent or refuses, paths come without these two and
/// that is said once. Several thousand paths are asked for by one process. Thread-safe.
/// </summary>
public sealed class LocalNixStore : IPathInfoSource
{
    // The kernel takes about 2 MiB of arguments and environment together.
    private const int MaxArgumentBytes = 256 * 1024;

    private static readonly string[] PathInfoOptions = ["path-info", "--json", "--extra-experimental-features", "nix-command"];

    private readonly StoreDirectory _directory;
    private readonly NixStoreProgram _program;
    private readonly NixStoreProgram _nix;
    private readonly Action<string>? _warn;
    private int _provenanceLost;

    /// <param name="directory">The store's directory; <c>nix-store</c> is told it, so that relocated stores work.</param>
    /// <param name="program">Name (looked up in PATH) or path of <c>nix-store</c>.</param>
    /// <param name="environment">Variables set for both programs beside those of this process, such as <c>NIX_STATE_DIR</c> or <c>NIX_REMOTE</c>.</param>
    /// <param name="nixProgram">Name or path of <c>nix</c>.</param>
    /// <param name="warn">Called at most once, with a sentence, when signatures and content addresses cannot be had.</param>
    public LocalNixStore(
        StoreDirectory directory,
        string program = "nix-store",
        IReadOnlyDictionary<string, string>? environment = null,
        string nixProgram = "nix",
        Action<string>? warn = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentException.ThrowIfNullOrEmpty(program);
        _directory = directory;
        ArgumentException.ThrowIfNullOrEmpty(nixProgram);
        environment ??= new Dictionary<string, string>();
        _program = new NixStoreProgram(program, directory, environment);
        _nix = new NixStoreProgram(nixProgram, directory, environment);
        _warn = warn;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(roots);
        SortedSet<StorePathName> wanted = [.. roots];
        if (closure)
        {
            foreach (StorePathName[] part in Split([.. wanted]))
                wanted.UnionWith(await ClosureAsync(part, cancellationToken));
        }

        List<PathInfo> infos = new(wanted.Count);
        foreach (StorePathName[] part in Split([.. wanted]))
            infos.AddRange(await DumpAsync(part, cancellationToken));

        HashSet<StorePathName> found = [.. infos.Select(static info => info.Path)];
        if (!found.SetEquals(wanted) || found.Count != infos.Count)
        {
            string example = wanted.Except(found).Concat(found.Except(wanted)).Select(_directory.FullPath).FirstOrDefault() ?? "a path twice";
            throw new PathInfoSourceException($"nix-store --dump-db was asked for {wanted.Count} paths and answered with {infos.Count}; differing: {example}. The store changed meanwhile; try again.");
        }

        Dictionary<StorePathName, PathProvenance> provenance = await ProvenanceAsync(infos, cancellationToken);
        return ReferenceOrder.Sort(infos.Select(info => provenance.TryGetValue(info.Path, out PathProvenance? known)
            ? info with { Signatures = known.Signatures, ContentAddress = known.ContentAddress }
            : info));
    }

    private async Task<Dictionary<StorePathName, PathProvenance>> ProvenanceAsync(List<PathInfo> infos, CancellationToken cancellationToken)
    {
        Dictionary<StorePathName, PathProvenance> known = [];
        if (Volatile.Read(ref _provenanceLost) != 0)
            return known;
        try
        {
            // Asked about a derivation, Nix tells of what it builds, unless the derivation itself is said to be meant.
            foreach (IGrouping<bool, StorePathName> kind in infos.Select(static info => info.Path).GroupBy(IsDerivation))
            {
                foreach (StorePathName[] part in Split([.. kind]))
                {
                    foreach ((StorePathName path, PathProvenance provenance) in await PathInfoAsync(part, kind.Key, cancellationToken))
                        known.Add(path, provenance);
                }
            }

            return known;
        }
        catch (PathInfoSourceException e)
        {
            if (Interlocked.Exchange(ref _provenanceLost, 1) == 0)
                _warn?.Invoke($"signatures and content addresses of the paths are not known: {e.Message}");
            return [];
        }
    }

    private static bool IsDerivation(StorePathName path) => path.Value.EndsWith(".drv", StringComparison.Ordinal);

    private Task<Dictionary<StorePathName, PathProvenance>> PathInfoAsync(StorePathName[] paths, bool derivations, CancellationToken cancellationToken) =>
        _nix.RunAsync(
            [.. PathInfoOptions, .. derivations ? (string[])["--derivation"] : []],
            [.. paths.Select(_directory.FullPath)],
            async (output, token) =>
            {
                Dictionary<StorePathName, PathProvenance> found = await PathInfoJson.ReadAsync(output, _directory, token);
                return found.Count == paths.Length && paths.All(found.ContainsKey)
                    ? found
                    : throw new PathInfoJsonException($"it tells of {found.Count} paths instead of the {paths.Length} asked for");
            },
            cancellationToken);

    private Task<List<StorePathName>> ClosureAsync(StorePathName[] roots, CancellationToken cancellationToken) =>
        _program.RunAsync(
            ["-qR"],
            [.. roots.Select(_directory.FullPath)],
            async (output, token) =>
            {
                List<StorePathName> closure = [];
                using BoundedLineReader lines = new(output);
                while (await lines.ReadAsync(token) is { } line)
                    closure.Add(_directory.ParsePath(line));
                return closure;
            },
            cancellationToken);

    private Task<List<PathInfo>> DumpAsync(StorePathName[] paths, CancellationToken cancellationToken) =>
        _program.RunAsync(
            ["--dump-db"],
            [.. paths.Select(_directory.FullPath)],
            async (output, token) =>
            {
                List<PathInfo> infos = new(paths.Length);
                await foreach (PathInfo info in Registration.ReadAsync(output, _directory, token))
                    infos.Add(info);
                return infos;
            },
            cancellationToken);

    private IEnumerable<StorePathName[]> Split(IReadOnlyList<StorePathName> paths)
    {
        List<StorePathName> part = [];
        int bytes = 0;
        foreach (StorePathName path in paths)
        {
            // An argument costs its bytes, a NUL and a pointer.
            int cost = _directory.Value.Length + 1 + path.Value.Length + 9;
            if (bytes + cost > MaxArgumentBytes && part.Count > 0)
            {
                yield return [.. part];
                part.Clear();
                bytes = 0;
            }

            part.Add(path);
            bytes += cost;
        }

        if (part.Count > 0)
            yield return [.. part];
    }
}
