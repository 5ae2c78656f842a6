using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>
/// Another key signs manifests from here on, the manifest of the newest revision first. The certificate comes with the event, so that every store
/// has the object before it serves a manifest that names it.
/// </summary>
/// <param name="Certificate">Name of the certificate object.</param>
/// <param name="Pem">Its content before compression.</param>
/// <param name="State">The newest revision, signed anew.</param>
/// <param name="By">Who asked for it.</param>
/// <param name="At">When.</param>
public sealed record KeyRotated(ObjectHash Certificate, ReadOnlyMemory<byte> Pem, TagState State, string By, DateTimeOffset At) : ITagEvent
{
    public bool Equals(KeyRotated? other) => other is not null
        && Certificate == other.Certificate && Pem.Span.SequenceEqual(other.Pem.Span) && State == other.State && By == other.By && At == other.At;

    public override int GetHashCode() => HashCode.Combine(Certificate, At);
}

/// <summary>A key that took over from the one before.</summary>
/// <param name="Certificate">Name of its certificate object.</param>
/// <param name="At">When.</param>
public sealed record SigningKeyChange(ObjectHash Certificate, DateTimeOffset At);
