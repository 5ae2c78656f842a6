namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>Bytes are not a manifest.</summary>
public sealed class ManifestFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Bytes are not a whitelist.</summary>
public sealed class WhitelistFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Bytes are not a PEM certificate with an RSA key.</summary>
public sealed class CertificateFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A key file is missing, unreadable or does not fit; the message says which and what to do.</summary>
public sealed class KeyFileException(string message, Exception? inner = null) : Exception(message, inner);
