using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>What a mirror is told by the node it follows.</summary>
public static class MirrorProtocol
{
    /// <summary>Something about one repository.</summary>
    public interface IMirrorMessage
    {
        /// <summary>Fully qualified name.</summary>
        string Repository { get; }
    }

    /// <summary>There is such a repository.</summary>
    /// <param name="Definition">What its creation fixed.</param>
    /// <param name="PublicKeyPem">Its master key, as the other side says.</param>
    /// <param name="HeadSequence">Its newest event.</param>
    /// <param name="HeadRevision">Its newest revision.</param>
    public sealed record Offered(RepositoryDefinition Definition, string PublicKeyPem, long HeadSequence, ulong HeadRevision) : IMirrorMessage
    {
        /// <inheritdoc/>
        public string Repository => Definition.Repository.Value;
    }

    /// <summary>An event of its history; they come in order and without gaps.</summary>
    /// <param name="Repository">Fully qualified name.</param>
    /// <param name="Event">The event.</param>
    public sealed record Arrived(string Repository, MirroredEvent Event) : IMirrorMessage;

    /// <summary>Where the writer stands.</summary>
    public sealed record HeadIs(string Repository, long Sequence, ulong Revision) : IMirrorMessage;

    /// <summary>Take nothing new, serve on.</summary>
    public sealed record Pause(string Repository) : IMirrorMessage;

    /// <summary>Take up again what was paused.</summary>
    public sealed record Resume(string Repository) : IMirrorMessage;

    /// <summary>Hash everything anew, and fetch what is damaged from another copy.</summary>
    /// <param name="Repository">Fully qualified name.</param>
    /// <param name="BytesPerSecond">Bound; 0 = the mirror's own.</param>
    public sealed record Scrub(string Repository, long BytesPerSecond) : IMirrorMessage;

    /// <summary>This mirror was removed there: follow it no longer, serve on.</summary>
    public sealed record Forget(string Repository) : IMirrorMessage;
}
