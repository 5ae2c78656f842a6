using CvmfsNix.Cluster.TestKit.Damage;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Builds lists of damages.</summary>
internal static class DamageList
{
    /// <summary>A change to a catalog that is one row's fault.</summary>
    /// <param name="name">What is wrong.</param>
    /// <param name="rule">The rule that is broken.</param>
    /// <param name="catalog">Where the catalog is mounted; empty for the root.</param>
    /// <param name="path">The row's path, <c>/</c> for the root.</param>
    /// <param name="sql">The change.</param>
    public static RepositoryDamage Row(string name, string rule, string catalog, string? path, string sql) =>
        new(name, rule, repository =>
        {
            repository.EditCatalog(catalog, sql);
            return new Culprit(path, repository.CatalogHash(catalog));
        });

    /// <summary>A change to a catalog that is one row's fault, with the counters it entails.</summary>
    public static RepositoryDamage Row(string name, string rule, string catalog, string? path, string sql, params (string Counter, long Delta)[] counters) =>
        new(name, rule, repository =>
        {
            repository.EditCatalog(catalog, sql);
            foreach ((string counter, long delta) in counters)
                repository.AddToCounter(catalog, counter, delta);
            return new Culprit(path, repository.CatalogHash(catalog));
        });

    /// <summary>A change that a top-level file is to blame for.</summary>
    public static RepositoryDamage TopLevel(string name, string rule, string file, Action<DamageableRepository> make) =>
        new(name, rule, repository =>
        {
            make(repository);
            return new Culprit(file);
        });

    /// <summary>A change that leaves the culprit to the checker.</summary>
    public static RepositoryDamage Any(string name, string rule, Action<DamageableRepository> make) =>
        new(name, rule, repository =>
        {
            make(repository);
            return new Culprit(null);
        });

    /// <summary>Where a file's row is.</summary>
    public static string Is(string path) => $"md5path_1=key1('{path}') AND md5path_2=key2('{path}')";
}
