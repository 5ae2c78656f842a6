using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Path infos from a registration file, for machines without Nix. Closures are computed from the references in the file.</summary>
public sealed class RegistrationFileSource : IPathInfoSource
{
    private readonly string _origin;
    private readonly StoreDirectory _directory;
    private readonly Dictionary<StorePathName, PathInfo> _infos;

    private RegistrationFileSource(string origin, StoreDirectory directory, Dictionary<StorePathName, PathInfo> infos)
    {
        _origin = origin;
        _directory = directory;
        _infos = infos;
    }

    /// <summary>Every path of the file, in ordinal order.</summary>
    public IReadOnlyList<StorePathName> Paths => [.. _infos.Keys.Order()];

    /// <summary>Reads a registration file whole.</summary>
    /// <exception cref="PathInfoSourceException">It cannot be read or is no registration, or tells two things of one path.</exception>
    public static async Task<RegistrationFileSource> LoadAsync(string file, StoreDirectory directory, CancellationToken cancellationToken)
    {
        try
        {
            await using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: true);
            return await ReadAsync(stream, file, directory, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PathInfoSourceException($"The registration file {file} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a registration from a stream; <paramref name="origin"/> names it in messages.</summary>
    /// <inheritdoc cref="LoadAsync" path="/exception"/>
    public static async Task<RegistrationFileSource> ReadAsync(
        Stream registration, string origin, StoreDirectory directory, CancellationToken cancellationToken)
    {
        Dictionary<StorePathName, PathInfo> infos = [];
        try
        {
            await foreach (PathInfo info in Registration.ReadAsync(registration, directory, cancellationToken))
            {
                // Files that were put together from several closures name shared paths more than once.
                if (!infos.TryAdd(info.Path, info) && infos[info.Path] != info)
                    throw new PathInfoSourceException($"{origin} registers {directory.FullPath(info.Path)} twice with different hashes, sizes or references.");
            }
        }
        catch (RegistrationFormatException e)
        {
            throw new PathInfoSourceException($"{origin}: {e.Message}", e);
        }

        return new RegistrationFileSource(origin, directory, infos);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(roots);
        Dictionary<StorePathName, PathInfo> found = [];
        Stack<(StorePathName Path, StorePathName? Referrer)> open = new(roots.Select(static root => (root, (StorePathName?)null)));
        while (open.TryPop(out (StorePathName Path, StorePathName? Referrer) next))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (found.ContainsKey(next.Path))
                continue;
            if (!_infos.TryGetValue(next.Path, out PathInfo? info))
                throw Missing(next.Path, next.Referrer);
            found.Add(next.Path, info);
            if (!closure)
                continue;
            foreach (StorePathName reference in info.References)
                open.Push((reference, next.Path));
        }

        return Task.FromResult(ReferenceOrder.Sort(found.Values));
    }

    private PathInfoSourceException Missing(StorePathName path, StorePathName? referrer) =>
        new(referrer is null
            ? $"{_origin} does not register {_directory.FullPath(path)}. Register it, or correct the path."
            : $"{_origin} does not register {_directory.FullPath(path)}, which {_directory.FullPath(referrer.Value)} refers to. Make it of the whole closure (nix-store --dump-db $(nix-store -qR PATH)).");
}
