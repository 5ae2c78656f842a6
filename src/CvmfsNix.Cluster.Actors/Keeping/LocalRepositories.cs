using System.Collections.Concurrent;
using CvmfsNix.Cluster.Actors.Hosting;
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

    /// <summary>Raised when a repository was opened or moved on; handlers return at once.</summary>
    public event Action? Moved;

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

    /// <summary>The repository.</summary>
    /// <exception cref="PublishingException">
    /// UnknownRepository; NoLeader before the registry was read: a builder that comes back to a node just started must not be told, for good,
    /// that its repository does not exist.
    /// </exception>
    public LocalRepository Require(string repository) => Find(repository) ?? throw (RegistryRead
        ? new PublishingException(PublishingCodes.UnknownRepository, $"There is no repository {repository}.", repository, "Create it first, or check the name.")
        : new PublishingException(PublishingCodes.NoLeader, "This node is starting and has not read the journal yet.", repository, "Try again; it is safe.", TimeSpan.FromSeconds(1)));

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
            var opened = _open[definition.Repository.Value] = new LocalRepository(definition, backend, journal);
            opened.Moved += () => Moved?.Invoke();
            Moved?.Invoke();
            return opened;
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
