namespace CvmfsNix.Cluster.Nix.Signing;

public sealed class NixSecretKey
{
    public string Name => throw new NotImplementedException();

    public NixPublicKey PublicKey => throw new NotImplementedException();

    public static NixSecretKey Generate(string name) => throw new NotImplementedException();

    public static NixSecretKey Parse(string text) => throw new NotImplementedException();

    public string Sign(string fingerprint) => throw new NotImplementedException();

    public string ToSecretString() => throw new NotImplementedException();
}
