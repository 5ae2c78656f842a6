using System.Collections.Concurrent;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>One content of a run, however many files have it: where it lies, as soon as that is known and its objects have been sent.</summary>
internal sealed class ContentEntry(ContentDigest digest)
{
    private readonly TaskCompletionSource<StoredContent> _stored = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ContentDigest Digest { get; } = digest;

    public Task<StoredContent> Stored => _stored.Task;

    public void Set(StoredContent content) => _stored.TrySetResult(content);

    /// <summary>Sets it once the packs that carry its objects have been taken; where one is not, the run ends and nobody waits.</summary>
    public void SetWhenSent(StoredContent content, Task sent) =>
        _ = sent.ContinueWith(
            _ => _stored.TrySetResult(content),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
}

/// <summary>The contents of a run: the first file that has one is in charge of it.</summary>
internal sealed class ContentTable
{
    private readonly ConcurrentDictionary<ContentDigest, ContentEntry> _entries = new();

    /// <summary>The entry of a content; true for the one caller that is to find out or send it.</summary>
    public bool Claim(ContentDigest digest, out ContentEntry entry)
    {
        if (_entries.TryGetValue(digest, out ContentEntry? found))
        {
            entry = found;
            return false;
        }

        var fresh = new ContentEntry(digest);
        entry = _entries.GetOrAdd(digest, fresh);
        return ReferenceEquals(entry, fresh);
    }
}
