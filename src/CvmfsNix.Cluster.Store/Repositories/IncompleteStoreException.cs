namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>The store lacks objects or record files that it needs for what was asked; nothing was changed.</summary>
public sealed class IncompleteStoreException : Exception
{
    private const int Shown = 5;

    /// <param name="repository">The repository.</param>
    /// <param name="purpose">What they are needed for, as in "revision 7".</param>
    /// <param name="missing">Names of objects and record files; at least one.</param>
    public IncompleteStoreException(string repository, string purpose, IReadOnlyList<string> missing)
        : base($"The store of {repository} lacks {missing.Count} of the files of {purpose}: {string.Join(", ", missing.Take(Shown))}{(missing.Count > Shown ? ", …" : "")}. They must be fetched first.")
    {
        Missing = missing;
    }

    /// <summary>What is missing, at most <see cref="MissingMax"/> of them.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>So many are named; to be asked again when these are there.</summary>
    public const int MissingMax = 10_000;
}
