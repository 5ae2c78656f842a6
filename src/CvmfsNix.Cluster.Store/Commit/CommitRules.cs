using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>What was removed and taken back before a batch, as far as it decides about it.</summary>
/// <param name="Withdrawn">Paths that are not published again unnoticed, with the reason.</param>
/// <param name="Removals">Record files of removals whose paths can be had back, oldest first.</param>
public sealed record CommitRules(IReadOnlyDictionary<StorePathName, string> Withdrawn, IReadOnlyList<string> Removals)
{
    /// <summary>Nothing was.</summary>
    public static CommitRules None { get; } = new(new Dictionary<StorePathName, string>(), []);
}
