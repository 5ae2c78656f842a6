using System.Collections.Immutable;
using System.Diagnostics;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Model.Leadership;

/// <summary>An event of the cluster's leader: who leads, and which repositories there are.</summary>
public interface IRegistryEvent
{
    /// <summary>When.</summary>
    DateTimeOffset At { get; }
}

/// <summary>A leader took over.</summary>
public sealed record LeadershipTaken(ulong Epoch, string Node, DateTimeOffset At) : IRegistryEvent;

/// <summary>A repository is to exist; its writer makes the first revision.</summary>
public sealed record RepositoryRegistered(RepositoryDefinition Definition, DateTimeOffset At) : IRegistryEvent;

/// <summary>
/// Another key signs a repository's manifests. The repository's own journal decides that and says it first; here it is for nodes that want to know, before
/// they join, whether they could lead.
/// </summary>
public sealed record SigningKeyNoted(RepositoryId Repository, ObjectHash Certificate, DateTimeOffset At) : IRegistryEvent;

/// <summary>Who leads, and the repositories of the cluster.</summary>
public sealed record RegistryState
{
    /// <summary>Before the first leader.</summary>
    public static readonly RegistryState Empty = new();

    /// <summary>Epoch of the last leader.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Repositories by name.</summary>
    public ImmutableSortedDictionary<string, RepositoryDefinition> Repositories { get; init; } =
        ImmutableSortedDictionary.Create<string, RepositoryDefinition>(StringComparer.Ordinal);

    /// <summary>Certificate object of the key that signs a repository's manifests, where it is not the first one; by name.</summary>
    public ImmutableSortedDictionary<string, ObjectHash> Certificates { get; init; } =
        ImmutableSortedDictionary.Create<string, ObjectHash>(StringComparer.Ordinal);

    /// <summary>Certificate object of the key that signs a repository's manifests, as far as it is known here.</summary>
    public ObjectHash CertificateOf(RepositoryDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return Certificates.TryGetValue(definition.Repository.Value, out var rotated) ? rotated : definition.Certificate;
    }

    /// <summary>The state after an event.</summary>
    public RegistryState Apply(IRegistryEvent @event) => @event switch
    {
        LeadershipTaken e when e.Epoch > Epoch => this with { Epoch = e.Epoch },
        RepositoryRegistered e when !Repositories.ContainsKey(e.Definition.Repository.Value) =>
            this with { Repositories = Repositories.Add(e.Definition.Repository.Value, e.Definition) },
        SigningKeyNoted e when Repositories.ContainsKey(e.Repository.Value) => this with { Certificates = Certificates.SetItem(e.Repository.Value, e.Certificate) },
        _ => throw new UnreachableException($"The registry at epoch {Epoch} has no rule for the event {@event}."),
    };

    /// <summary>True when the repository is registered.</summary>
    public bool Contains(RepositoryId repository) => Repositories.ContainsKey(repository.Value);
}
