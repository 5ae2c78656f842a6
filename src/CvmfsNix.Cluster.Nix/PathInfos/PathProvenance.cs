namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>What vouches for a path beside its hash, and no registration tells.</summary>
/// <param name="Signatures">Signature texts, <c>key name:base64</c>.</param>
/// <param name="ContentAddress">Content address such as <c>fixed:r:sha256:…</c>; null for a path addressed by its inputs.</param>
internal sealed record PathProvenance(IReadOnlyList<string> Signatures, string? ContentAddress);
