using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Keys;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// Looks whether this node could lead: it needs the signing key of every repository. A node that becomes leader without one would hold up
/// that repository, so it stays out of the cluster until the key is there.
/// </summary>
internal sealed class KeyCheck(string keysDirectory)
{
    private readonly KeyFolder _keys = new(keysDirectory);

    /// <summary>Empty, or which keys are missing and what to do.</summary>
    /// <exception cref="StartRefusedException">A key is there that is not the repository's.</exception>
    public async Task<string> MissingAsync(IJournalReader journal, CancellationToken ct)
    {
        var missing = new List<string>();
        await foreach (var (_, @event) in journal.ReadAsync(PersistenceIds.Registry, 1, ct).ConfigureAwait(false))
        {
            if (@event is RepositoryRegistered registered && Problem(registered.Definition) is { } name)
                missing.Add(name);
        }

        return missing.Count == 0 ? "" : $"The signing keys of {string.Join(", ", missing)} are not in {_keys.Directory}. Copy them from the node that created the repository; this node neither leads nor takes publishes without them.";
    }

    private string? Problem(RepositoryDefinition definition)
    {
        var name = definition.Repository.Value;
        try
        {
            if (_keys.TryLoad(name) is not { } keys)
                return name;
            if (StoreBackends.CertificateObject(keys, definition.HashAlgorithm) != definition.Certificate)
                throw new StartRefusedException($"The certificate of {name} in {_keys.Directory} is not the one the repository was created with. Put the key files of the node that created it there.");
            return null;
        }
        catch (KeyFileException e)
        {
            throw new StartRefusedException(e.Message);
        }
    }
}
