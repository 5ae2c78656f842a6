namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>Where a node of a cluster runs.</summary>
/// <param name="Host">Address its ports are bound to.</param>
/// <param name="Prefix">Put before the program, as <c>ip netns exec NAME</c>; normally empty.</param>
public sealed record NodePlace(string Host, params IReadOnlyList<string> Prefix)
{
    /// <summary>This machine's loopback.</summary>
    public static readonly NodePlace Loopback = new("127.0.0.1");
}

/// <summary>A cluster to be started.</summary>
/// <param name="Journal">Npgsql connection string.</param>
public sealed record ClusterSettings(string Journal)
{
    /// <summary>One node each.</summary>
    public IReadOnlyList<NodePlace> Places { get; init; } = [NodePlace.Loopback, NodePlace.Loopback, NodePlace.Loopback];

    /// <summary>Further switches of every node.</summary>
    public IReadOnlyList<string> Switches { get; init; } = [];

    /// <summary>Further switches of one node, by its number from 1.</summary>
    public Func<int, IReadOnlyList<string>> SwitchesOf { get; init; } = static _ => [];

    /// <summary>Further environment of every node.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Further environment of one node, by its number from 1.</summary>
    public Func<int, IReadOnlyDictionary<string, string>> EnvironmentOf { get; init; } = static _ => new Dictionary<string, string>();

    /// <summary>True gives every node a key folder of its own instead of a shared one.</summary>
    public bool SeparateKeys { get; init; }
}
