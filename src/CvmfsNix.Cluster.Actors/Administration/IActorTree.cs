namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>The actors of this node.</summary>
public interface IActorTree
{
    /// <summary>Paths below <c>/system</c> and <c>/user</c>, in ordinal order.</summary>
    /// <param name="start">Only those at or below this path, as <c>/user</c>; null: all.</param>
    /// <param name="depth">Most names of a path below <paramref name="start"/>.</param>
    IReadOnlyList<string> Paths(string? start, int depth);
}
