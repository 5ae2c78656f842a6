namespace CvmfsNix.Cluster.Verify.Reports;

/// <summary>What a check saw.</summary>
public sealed record VerifyReport
{
    /// <summary>Name in the manifest; empty when that could not be read.</summary>
    public required string Repository { get; init; }

    /// <summary>Revision that was checked: the newest, or the tag's.</summary>
    public required ulong Revision { get; init; }

    /// <summary>Its root catalog, without suffix letter; empty when unknown.</summary>
    public required string RootHash { get; init; }

    /// <summary>Catalogs read, those of tagged revisions included; each once.</summary>
    public required long Catalogs { get; init; }

    /// <summary>Rows in these catalogs.</summary>
    public required long Entries { get; init; }

    /// <summary>Different objects asked for, catalogs included.</summary>
    public required long Objects { get; init; }

    /// <summary>Stored bytes read.</summary>
    public required long Bytes { get; init; }

    /// <summary>Store paths whose NAR hash was compared; 0 when none was known.</summary>
    public required long NarPaths { get; init; }

    /// <summary>Store paths of the repository no NAR hash was known for.</summary>
    public required long NarUnknown { get; init; }

    public required TimeSpan Duration { get; init; }

    /// <summary>Everything that is wrong, at most <see cref="VerifyOptions.FindingsMax"/>; empty when the repository is clean.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Findings beyond the limit, counted only.</summary>
    public required long FindingsLeftOut { get; init; }

    /// <summary>True when nothing is wrong.</summary>
    public bool IsClean => Findings.Count == 0;
}
