namespace CvmfsNix.Cluster.Nix.Signing;

public sealed record NixPublicKey
{
    public required string Name { get; init; }

    public static NixPublicKey Parse(string text) => throw new NotImplementedException();

    public bool Verify(string fingerprint, string signature) => throw new NotImplementedException();
}
