using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>The repositories of this node, each opened once. Thread-safe.</summary>
internal sealed class LocalRepositories(IRepositoryBackends backends) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, LocalRepository> _open = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _opening = new(1, 1);
    private bool _registryRead;

    /// <summary>All open repositories.</summary>
    public IReadOnlyCollection<LocalRepository> All => [.. _open.Values];

    /// <summary>True once this node knows which repositories there are.</summary>
    public bool RegistryRead
    {
        get => Volatile.Read(ref _registryRead);
        set => Volatile.Write(ref _registryRead, value);
    }

    /// <summary>How stores are opened and repositories defined.</summary>
    public IRepositoryBackends Backends => backends;

    /// <summary>The repository; null when it is not open here.</summary>
    public LocalRepository? Find(string repository) => _open.GetValueOrDefault(repository);

    /// <summary>The repository, opened if need be. A failure is not remembered: the next call tries again.</summary>
    public async Task<LocalRepository> OpenAsync(RepositoryDefinition definition, IJournalReader journal, CancellationToken ct)
    {
        if (Find(definition.Repository.Value) is { } found)
            return found;
        await _opening.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (Find(definition.Repository.Value) is { } foundNow)
                return foundNow;
            var backend = await backends.OpenAsync(definition, ct).ConfigureAwait(false);
            return _open[definition.Repository.Value] = new LocalRepository(definition, backend, journal);
        }
        finally
        {
            _opening.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var repository in _open.Values)
            await repository.DisposeAsync().ConfigureAwait(false);
        _open.Clear();
        _opening.Dispose();
    }
}
