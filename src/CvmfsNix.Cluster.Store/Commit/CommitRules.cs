using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>What was removed and taken back before a batch, as far as it decides about it.</summary>
/// <param name="Withdrawn">Paths that are not published again unnoticed, with the reason.</param>
/// <param name="Removals">Record files of removals whose paths can be had back, oldest first.</param>
public sealed record CommitRules(IReadOnlyDictionary<StorePathName, string> Withdrawn, IReadOnlyList<string> Removals)
{
    /// <summary>Brings objects here from where they are, and returns those that are nowhere; null = there is nowhere to bring them from.</summary>
    public Func<IReadOnlyCollection<ObjectName>, CancellationToken, Task<IReadOnlyCollection<ObjectName>>>? Bring { get; init; }

    /// <summary>Nothing was.</summary>
    public static CommitRules None { get; } = new(new Dictionary<StorePathName, string>(), []);
}
