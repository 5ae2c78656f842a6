using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>One publish as it was asked for.</summary>
internal sealed record PublishRequest
{
    public required string Repository { get; init; }

    /// <summary>Store paths, paths below them, or links to either.</summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>Whether everything they refer to goes along.</summary>
    public bool Closure { get; init; } = true;

    /// <summary>Profile that is to point at the one path; null = none.</summary>
    public string? Profile { get; init; }

    /// <summary>UUID of version 7, chosen by who may have to repeat the request.</summary>
    public required string Transaction { get; init; }

    public ConflictPolicy Conflict { get; init; } = ConflictPolicy.Keep;

    /// <summary>How long the paths that were named are pinned; null = they are not.</summary>
    public TimeSpan? Keep { get; init; }

    /// <summary>Publishes again what was taken back.</summary>
    public bool DespiteWithdrawal { get; init; }

    /// <summary><c>replicas=N</c>, <c>all</c>, <c>site:NAME</c>; empty = committed is enough.</summary>
    public string WaitFor { get; init; } = "";

    /// <summary>Leaves out what upstream caches have signed; null = nothing is left out.</summary>
    public UpstreamFilter? Upstream { get; init; }

    /// <summary>Find out what would be sent, change nothing.</summary>
    public bool DryRun { get; init; }
}
