using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// Asks the other side which contents it has. Many small paths ask at the same time: while one question is on its way those that come
/// gather into the next, so that a round trip is paid per batch and not per path.
/// </summary>
internal sealed class ContentQuestions(IPublishTarget target, Action<Exception> failed, CancellationToken cancellationToken)
{
    private const int DigestsMax = 4096;

    private readonly Lock _lock = new();
    private List<(ContentDigest Digest, Action<StoredContent?> Answer)> _gathered = [];
    private bool _asking;

    /// <summary>Answers in the order asked.</summary>
    public async Task<StoredContent?[]> AskAsync(IReadOnlyList<ContentDigest> digests)
    {
        var answers = new StoredContent?[digests.Count];
        if (answers.Length == 0)
            return answers;
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int open = answers.Length;
        bool ask;
        lock (_lock)
        {
            for (int i = 0; i < answers.Length; i++)
            {
                int at = i;
                _gathered.Add((digests[i], content =>
                {
                    answers[at] = content;
                    if (--open == 0)
                        answered.SetResult();
                }));
            }

            ask = !_asking;
            _asking = true;
        }

        if (ask)
            _ = Task.Run(AskGatheredAsync, CancellationToken.None);
        await answered.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return answers;
    }

    private async Task AskGatheredAsync()
    {
        try
        {
            await AskUntilNothingIsLeftAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever it was, it ends the run, which reports it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failed(e);
        }
    }

    private async Task AskUntilNothingIsLeftAsync()
    {
        while (true)
        {
            List<(ContentDigest Digest, Action<StoredContent?> Answer)> batch;
            lock (_lock)
            {
                if (_gathered.Count == 0)
                {
                    _asking = false;
                    return;
                }

                batch = _gathered;
                _gathered = [];
            }

            foreach ((ContentDigest Digest, Action<StoredContent?> Answer)[] part in batch.Chunk(DigestsMax))
            {
                IReadOnlyList<StoredContent?> contents =
                    await target.FindContentAsync([.. part.Select(p => p.Digest)], cancellationToken).ConfigureAwait(false);
                if (contents.Count != part.Length)
                    throw new InvalidDataException($"The repository answered {contents.Count} of {part.Length} questions about contents.");
                for (int i = 0; i < part.Length; i++)
                    part[i].Answer(contents[i]);
            }
        }
    }
}
