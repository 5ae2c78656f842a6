using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.NarInfos;

public sealed record NarInfo
{
    public required StoreDirectory StoreDirectory { get; init; }

    public required StorePathName Path { get; init; }

    public required string Url { get; init; }

    public required string Compression { get; init; }

    public NarHash? FileHash { get; init; }

    public long? FileSize { get; init; }

    public required NarHash NarHash { get; init; }

    public required long NarSize { get; init; }

    public IReadOnlyList<StorePathName> References { get; init; } = [];

    public StorePathName? Deriver { get; init; }

    public IReadOnlyList<string> Signatures { get; init; } = [];

    public string? ContentAddress { get; init; }

    public PathInfo ToPathInfo() => throw new NotImplementedException();

    public static NarInfo Parse(string text) => throw new NotImplementedException();

    public static bool TryParse(string text, out NarInfo? info) => throw new NotImplementedException();
}
