using CvmfsNix.Cluster.TestKit.Damage;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>One small thing made wrong in a good repository, and what the checker has to say about it.</summary>
/// <param name="Name">What is wrong.</param>
/// <param name="Rule">The rule that is broken.</param>
/// <param name="Make">Makes the damage and tells who is to blame.</param>
internal sealed record RepositoryDamage(string Name, string Rule, Func<DamageableRepository, Culprit> Make)
{
    /// <summary>Seen only by reading every object.</summary>
    public bool NeedsDeep { get; init; }

    public override string ToString() => Name;
}

/// <summary>What a finding must name; null where that is left to the checker.</summary>
/// <param name="Path">Path in the repository or top-level file.</param>
/// <param name="Catalog">Hash of the catalog that holds the row.</param>
/// <param name="Object">Object by hash and suffix letter.</param>
internal sealed record Culprit(string? Path, string? Catalog = null, string? Object = null)
{
    /// <summary>An object, given as its path below the repository folder.</summary>
    public static Culprit OfObject(string relativePath, string? path = null) => new(path, null, relativePath["data/".Length..].Remove(2, 1));
}
