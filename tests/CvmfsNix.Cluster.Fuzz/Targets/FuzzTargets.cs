namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>All targets there are.</summary>
public static class FuzzTargets
{
    /// <summary>By name.</summary>
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        .. typeof(FuzzTargets).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(FuzzTarget)) && !type.IsAbstract)
            .Select(type => (FuzzTarget)Activator.CreateInstance(type)!)
            .OrderBy(target => target.Name, StringComparer.Ordinal),
    ];

    /// <summary>One by its name, every one for <c>all</c>, or none.</summary>
    public static IReadOnlyList<FuzzTarget> Named(string name) => name == "all" ? All : [.. All.Where(target => target.Name == name)];
}
