using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>
/// Asks the Nix store of this machine, by running <c>nix-store</c>. Signatures and content addresses are not among what
/// it answers. Several thousand paths are asked for by one process.
/// </summary>
public sealed class LocalNixStore : IPathInfoSource
{
    // The kernel takes about 2 MiB of arguments and environment together.
    private const int MaxArgumentBytes = 256 * 1024;

    private readonly StoreDirectory _directory;
    private readonly NixStoreProgram _program;

    /// <param name="directory">The store's directory; <c>nix-store</c> is told it, so that relocated stores work.</param>
    /// <param name="program">Name (looked up in PATH) or path of <c>nix-store</c>.</param>
    /// <param name="environment">Variables set for <c>nix-store</c> beside those of this process, such as <c>NIX_STATE_DIR</c> or <c>NIX_REMOTE</c>.</param>
    public LocalNixStore(StoreDirectory directory, string program = "nix-store", IReadOnlyDictionary<string, string>? environment = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentException.ThrowIfNullOrEmpty(program);
        _directory = directory;
        _program = new NixStoreProgram(program, directory, environment ?? new Dictionary<string, string>());
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

        return ReferenceOrder.Sort(infos);
    }

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
