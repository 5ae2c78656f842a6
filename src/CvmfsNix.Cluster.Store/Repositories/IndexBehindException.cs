namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>The path index does not stand at the head a commit is to build on, so what is present cannot be told.</summary>
public sealed class IndexBehindException(string repository, ulong indexed, ulong head)
    : Exception($"The index of {repository} stands at revision {indexed}, the commit builds on revision {head}. The revisions between must be indexed first.")
{
    /// <summary>Where the index stands.</summary>
    public ulong Indexed { get; } = indexed;

    /// <summary>The head that was given.</summary>
    public ulong Head { get; } = head;
}
