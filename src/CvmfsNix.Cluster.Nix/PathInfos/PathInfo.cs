using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>What a Nix store knows about one of its valid paths. Equal when all of it is equal, lists element by element.</summary>
public sealed record PathInfo
{
    public required StorePathName Path { get; init; }

    /// <summary>SHA-256 of the path's archive.</summary>
    public required NarHash NarHash { get; init; }

    /// <summary>Bytes of the path's archive; more than 0.</summary>
    public required long NarSize { get; init; }

    /// <summary>Paths whose names occur in it, in ordinal order without repetition, itself included where it refers to itself.</summary>
    public IReadOnlyList<StorePathName> References { get; init; } = [];

    /// <summary>The derivation that built it, where that is known.</summary>
    public StorePathName? Deriver { get; init; }

    /// <summary>Signature texts, <c>key name:base64</c>.</summary>
    public IReadOnlyList<string> Signatures { get; init; } = [];

    /// <summary>Content address such as <c>fixed:r:sha256:…</c>; null for paths addressed by their inputs, and where the source of this record does not tell.</summary>
    public string? ContentAddress { get; init; }

    public bool Equals(PathInfo? other) =>
        other is not null
        && Path == other.Path
        && NarHash == other.NarHash
        && NarSize == other.NarSize
        && Deriver == other.Deriver
        && string.Equals(ContentAddress, other.ContentAddress, StringComparison.Ordinal)
        && References.SequenceEqual(other.References)
        && Signatures.SequenceEqual(other.Signatures, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(Path, NarHash, NarSize, References.Count);
}
