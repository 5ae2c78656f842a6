using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What the leader and the writers are asked and answer.</summary>
public static class RepositoryProtocol
{
    /// <summary>Creates a repository.</summary>
    public sealed record CreateRepository(RepositoryDefinitionRequest Definition);

    /// <summary>The parts of a definition that are asked for; keys add the rest.</summary>
    public sealed record RepositoryDefinitionRequest(RepositoryId Repository, string StoreDirectory, string HashAlgorithm)
    {
        /// <summary>Whether the tree is to hold a database of Nix.</summary>
        public bool NixDatabase { get; init; }
    }

    /// <summary>The repository has its first revision.</summary>
    public sealed record CreatedRepository(WriterStatus Status);

    /// <summary>Not done.</summary>
    /// <param name="Code">Stable name.</param>
    /// <param name="Message">One sentence.</param>
    /// <param name="What">What it is about.</param>
    /// <param name="Hint">What to do.</param>
    public sealed record Failed(string Code, string Message, string What, string Hint);

    /// <summary>A message to the writer of a repository about its tags. Answered by <see cref="TagIs"/> or <see cref="Failed"/>.</summary>
    public interface ITagRequest
    {
        /// <summary>The repository.</summary>
        RepositoryId Repository { get; }

        /// <summary>The tag.</summary>
        string Name { get; }
    }

    /// <summary>Names a revision, or moves a name to it. Safe to repeat.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="Name">The tag.</param>
    /// <param name="Revision">The revision; 0 = the newest.</param>
    /// <param name="Description">A few words; empty keeps those of a tag that is there.</param>
    public sealed record SetTag(RepositoryId Repository, string Name, ulong Revision, string Description) : ITagRequest;

    /// <summary>Takes a name away.</summary>
    public sealed record RemoveTag(RepositoryId Repository, string Name) : ITagRequest;

    /// <summary>How a tag is, or was.</summary>
    /// <param name="Tag">The tag.</param>
    /// <param name="Changed">False: it was like that already.</param>
    /// <param name="SequenceNumber">The last event of the repository.</param>
    public sealed record TagIs(RepositoryTag Tag, bool Changed, long SequenceNumber);

    /// <summary>Asks the leader for its epoch and all writers' numbers.</summary>
    public sealed record GetLeaderStatus;

    /// <summary>The leader's answer.</summary>
    public sealed record LeaderStatus(ulong Epoch, string Node, IReadOnlyList<WriterStatus> Writers)
    {
        public bool Equals(LeaderStatus? other) => other is not null && Epoch == other.Epoch && Node == other.Node && Writers.SequenceEqual(other.Writers);

        public override int GetHashCode() => HashCode.Combine(Epoch, Node, Writers.Count);
    }

    /// <summary>A writer's numbers.</summary>
    /// <param name="Repository">The repository.</param>
    /// <param name="SequenceNumber">Its last event in the journal.</param>
    /// <param name="Revision">Current revision; 0 before creation.</param>
    /// <param name="RootHash">Its root hash.</param>
    /// <param name="PublishedAt">Its manifest time.</param>
    /// <param name="Paths">Live store paths.</param>
    /// <param name="WhitelistExpiresAt">End of the whitelist's validity.</param>
    /// <param name="Queued">Waiting transactions.</param>
    /// <param name="InFlight">Transactions of the running commit.</param>
    /// <param name="Problem">Why it takes nothing; empty when it works.</param>
    /// <param name="ProblemCode">Stable name of a problem that somebody has to mend; empty for one that passes by itself.</param>
    /// <param name="Warning">What will become a problem unless somebody acts; empty when nothing will.</param>
    public sealed record WriterStatus(
        RepositoryId Repository,
        long SequenceNumber,
        ulong Revision,
        string RootHash,
        DateTimeOffset PublishedAt,
        long Paths,
        DateTimeOffset WhitelistExpiresAt,
        int Queued,
        int InFlight,
        string Problem,
        string ProblemCode = "",
        string Warning = "");

    /// <summary>Told to all store keepers: the journal of a repository reaches this far.</summary>
    public sealed record HeadMoved(RepositoryId Repository, long SequenceNumber, ulong Revision);

    /// <summary>Told to all nodes: the list of repositories changed.</summary>
    public sealed record RegistryChanged(long SequenceNumber);
}
