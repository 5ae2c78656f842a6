namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>All damages by name.</summary>
internal static class RepositoryDamages
{
    public static IReadOnlyDictionary<string, RepositoryDamage> ByName { get; } =
        new[] { HeadDamages.All, ObjectDamages.All, CatalogFileDamages.All, RowDamages.All, CrossCatalogDamages.All, RecordDamages.All }
            .SelectMany(d => d).ToDictionary(d => d.Name, StringComparer.Ordinal);
}
