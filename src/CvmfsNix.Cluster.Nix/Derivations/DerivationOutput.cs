namespace CvmfsNix.Cluster.Nix.Derivations;

/// <summary>An output that a derivation says it makes.</summary>
/// <param name="Name">Such as <c>out</c>.</param>
/// <param name="Path">Full store path; empty where it is known only after the build.</param>
public sealed record DerivationOutput(string Name, string Path);
