using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Verify;

/// <summary>What is checked, and how hard.</summary>
public sealed record VerifyOptions
{
    /// <summary>Read, hash and inflate every object; without it, ask only whether it is there.</summary>
    public bool Deep { get; init; }

    /// <summary>Check the tree of this tag alone; null checks the newest revision and those of all tags.</summary>
    public string? Tag { get; init; }

    /// <summary>Name the manifest must carry; null takes the manifest's own.</summary>
    public string? ExpectedName { get; init; }

    /// <summary>Catalogs, and objects, worked on at once. More hides latency and costs connections.</summary>
    public int Parallelism { get; init; } = 8;

    /// <summary>Clock that expiries are judged by.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>NAR hashes and references of store paths; null knows none.</summary>
    public NarRegistration? NarHashes { get; init; }

    /// <summary>Folder in which a private folder for scratch files is made, and removed at the end; null takes the system's temporary folder.</summary>
    public string? ScratchDirectory { get; init; }

    /// <summary>Most findings kept with their texts; more are counted.</summary>
    public int FindingsMax { get; init; } = 10_000;

    /// <summary>Largest unpacked catalog or tag database, in bytes, where no size is recorded.</summary>
    public long DatabaseBytesMax { get; init; } = 4L * 1024 * 1024 * 1024;
}
