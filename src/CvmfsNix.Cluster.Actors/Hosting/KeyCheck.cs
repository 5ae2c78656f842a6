using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Hashing;
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
        var registry = RegistryState.Empty;
        await foreach (var (_, @event) in journal.ReadAsync(PersistenceIds.Registry, 1, ct).ConfigureAwait(false))
            registry = registry.Apply((IRegistryEvent)@event);

        List<string> missing = [.. registry.Repositories.Values.Select(d => Problem(d, registry.CertificateOf(d))).OfType<string>()];
        return missing.Count == 0 ? "" : $"The signing keys of {string.Join(", ", missing)} are not in {_keys.Directory}. Copy them from the node that created the repository, or on which its next key was made; this node neither leads nor takes publishes without them.";
    }

    private string? Problem(RepositoryDefinition definition, ObjectHash certificate)
    {
        var name = definition.Repository.Value;
        try
        {
            if (Has(certificate))
                return null;
            // A key that has signed before: the newer one has not been brought here yet.
            if (_keys.TryLoad(name) is null || (certificate != definition.Certificate && Has(definition.Certificate)))
                return name;
            throw new StartRefusedException($"No certificate of {name} in {_keys.Directory} is the one that its manifests are signed with. Put the key files of another core node there.");
        }
        catch (KeyFileException e)
        {
            throw new StartRefusedException(e.Message);
        }

        bool Has(ObjectHash wanted)
        {
            RepositoryKeySet? keys = _keys.TryLoad(name, c => StoreBackends.CertificateObject(c, definition.HashAlgorithm) == wanted);
            keys?.Cvmfs.Dispose();
            return keys is not null;
        }
    }
}
