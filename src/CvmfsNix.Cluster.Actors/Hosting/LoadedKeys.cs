using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Keys;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>The keys of this node's key folder, each read once. Thread-safe.</summary>
internal sealed class LoadedKeys(CoreOptions options)
{
    private readonly ConcurrentDictionary<string, RepositoryKeySet> _loaded = new(StringComparer.Ordinal);

    /// <summary>The folder.</summary>
    public KeyFolder Folder { get; } = new(options.KeysDirectory);

    /// <summary>The keys of a repository; null when they are not here or cannot be read. Its writer reports that.</summary>
    public RepositoryKeySet? TryLoad(string fqrn)
    {
        if (_loaded.TryGetValue(fqrn, out var known))
            return known;
        try
        {
            return Folder.TryLoad(fqrn) is { } loaded ? _loaded.GetOrAdd(fqrn, loaded) : null;
        }
        catch (KeyFileException)
        {
            // A view without keys is better than none.
            return null;
        }
    }
}
