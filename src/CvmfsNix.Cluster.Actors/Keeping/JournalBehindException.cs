using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Keeping;

/// <summary>The journal is not, or not any more, the one a store of this node has followed (invariant I8). Nothing of the store was changed.</summary>
/// <param name="problem">What differs, and what to do.</param>
internal sealed class JournalBehindException(string problem) : Exception($"{PublishingCodes.JournalBehindStores}: {problem}");
