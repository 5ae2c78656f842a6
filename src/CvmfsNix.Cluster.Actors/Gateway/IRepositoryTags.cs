using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>The tags of repositories: named revisions that readers may ask for, and whose catalogs are never collected. Thread-safe.</summary>
public interface IRepositoryTags
{
    /// <summary>Tags set by users, of the newest revision first, as this node serves them.</summary>
    /// <exception cref="PublishingException">UnknownRepository.</exception>
    Task<IReadOnlyList<RepositoryTag>> ListAsync(string fqrn, CancellationToken ct);

    /// <summary>Names a revision, or moves a name to it. On return it is in the journal and, unless this node lags, served here. Safe to repeat.</summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="name">The tag.</param>
    /// <param name="revision">The revision; 0 = the newest.</param>
    /// <param name="description">A few words; empty keeps those of a tag that is there.</param>
    /// <param name="ct">Gives up; the outcome is unknown then.</param>
    /// <exception cref="PublishingException">UnknownRepository, UnknownRevision, InvalidRequest, OutcomeUnknown.</exception>
    Task<TagChange> SetAsync(string fqrn, string name, ulong revision, string description, CancellationToken ct);

    /// <summary>Takes a name away.</summary>
    /// <exception cref="PublishingException">UnknownRepository, UnknownTag, OutcomeUnknown.</exception>
    Task<TagChange> RemoveAsync(string fqrn, string name, CancellationToken ct);
}

/// <summary>What became of a tag.</summary>
/// <param name="Tag">As it is, or was.</param>
/// <param name="Changed">False: it was like that already.</param>
public sealed record TagChange(RepositoryTag Tag, bool Changed);
