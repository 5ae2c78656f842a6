namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>Steps by which a reader comes to trust a repository, in order.</summary>
public enum TrustStep
{
    /// <summary>The manifest is well-formed.</summary>
    ManifestFormat,

    /// <summary>The manifest names the expected repository.</summary>
    ManifestName,

    /// <summary>The certificate object is present, matches its name and holds an RSA certificate.</summary>
    Certificate,

    /// <summary>The manifest's digest and its signature by the certificate.</summary>
    ManifestSignature,

    /// <summary>The whitelist is present and well-formed.</summary>
    WhitelistFormat,

    /// <summary>The whitelist has not run out.</summary>
    WhitelistExpiry,

    /// <summary>The whitelist is for the same repository.</summary>
    WhitelistName,

    /// <summary>The whitelist's digest and its signature by a master key.</summary>
    WhitelistSignature,

    /// <summary>The whitelist lists the certificate.</summary>
    CertificateListed,

    /// <summary>The wanted tag exists.</summary>
    Tag,
}

/// <summary>A repository was reached but cannot be trusted.</summary>
public sealed class RepositoryTrustException(TrustStep step, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The step that failed.</summary>
    public TrustStep Step { get; } = step;
}
