namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>Nodes that hand out item packs, by the base URL of their data port.</summary>
public sealed record SourceSet
{
    /// <summary>
    /// This node as its siblings reach it. With it, siblings divide what is to come from afar among themselves, and a link between
    /// sites carries each object once; null = siblings are asked for what they have, and nothing is waited for.
    /// </summary>
    public Uri? Self { get; init; }

    /// <summary>Other replicas of the same site: asked first.</summary>
    public IReadOnlyList<Uri> Siblings { get; init; } = [];

    /// <summary>Nodes that have every revision.</summary>
    public IReadOnlyList<Uri> Core { get; init; } = [];
}

/// <summary>A source as it is doing.</summary>
/// <param name="Url">Base URL of its data port.</param>
/// <param name="IsSibling">Whether it is of the same site.</param>
/// <param name="IsResting">It failed a moment ago and is not asked just now.</param>
/// <param name="LastProblem">What went wrong last; null = nothing since it last answered.</param>
/// <param name="BytesReceived">Bytes of its answers.</param>
public sealed record SourceState(Uri Url, bool IsSibling, bool IsResting, string? LastProblem, long BytesReceived);
