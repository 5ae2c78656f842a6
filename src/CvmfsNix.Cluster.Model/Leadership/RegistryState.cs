using System.Collections.Immutable;
using System.Diagnostics;
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

    /// <summary>The state after an event.</summary>
    public RegistryState Apply(IRegistryEvent @event) => @event switch
    {
        LeadershipTaken e when e.Epoch > Epoch => this with { Epoch = e.Epoch },
        RepositoryRegistered e when !Repositories.ContainsKey(e.Definition.Repository.Value) =>
            this with { Repositories = Repositories.Add(e.Definition.Repository.Value, e.Definition) },
        _ => throw new UnreachableException($"The registry at epoch {Epoch} has no rule for the event {@event}."),
    };

    /// <summary>True when the repository is registered.</summary>
    public bool Contains(RepositoryId repository) => Repositories.ContainsKey(repository.Value);
}
