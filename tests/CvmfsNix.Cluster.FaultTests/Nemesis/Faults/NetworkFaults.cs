using CvmfsNix.Cluster.FaultTests.Nemesis.Networks;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>Cuts between nodes, each one way, and between nodes and the database.</summary>
internal sealed class PartitionFault(NodeNetwork network, IReadOnlyList<(int From, int To)> cuts, IReadOnlyList<int> fromDatabase) : INemesisFault
{
    /// <summary>One node and all others, both ways.</summary>
    public static PartitionFault Alone(NodeNetwork network, int node, int nodes, bool databaseToo) => new(
        network,
        [.. Others(node, nodes).SelectMany(o => ((int, int)[])[(node, o), (o, node)])],
        databaseToo ? [node] : []);

    /// <summary>The others hear nothing of one node, which hears them.</summary>
    public static PartitionFault Unheard(NodeNetwork network, int node, int nodes) => new(network, [.. Others(node, nodes).Select(o => (node, o))], []);

    /// <summary>One node hears nothing of the others, which hear it.</summary>
    public static PartitionFault Deaf(NodeNetwork network, int node, int nodes) => new(network, [.. Others(node, nodes).Select(o => (o, node))], []);

    /// <summary>One node and the database.</summary>
    public static PartitionFault Database(NodeNetwork network, int node) => new(network, [], [node]);

    public async Task InjectAsync(CancellationToken cancellationToken)
    {
        foreach ((int from, int to) in cuts)
            await network.CutAsync(from, to, cancellationToken);
        foreach (int node in fromDatabase)
            await network.CutFromDatabaseAsync(node, cancellationToken);
    }

    public Task HealAsync(CancellationToken cancellationToken) => network.HealAsync(cancellationToken);

    private static IEnumerable<int> Others(int node, int nodes) => Enumerable.Range(1, nodes).Where(n => n != node);
}

/// <summary>What a node sends goes through a narrow pipe with a long queue.</summary>
internal sealed class SlowLinkFault(NodeNetwork network, int node, string rate) : INemesisFault
{
    public Task InjectAsync(CancellationToken cancellationToken) => network.SlowAsync(node, rate, cancellationToken);

    public Task HealAsync(CancellationToken cancellationToken) => network.HealAsync(cancellationToken);
}
