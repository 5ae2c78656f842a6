using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>What a bundle is still good for.</summary>
public enum BundleUse
{
    /// <summary>Its transaction waits for a decision, or nobody can say: it stays.</summary>
    Needed,

    /// <summary>Its transaction is decided, and this store has what came of it.</summary>
    Decided,

    /// <summary>Its transaction was not sealed with it, as far as is known; one that is too old to be sealed never will be.</summary>
    NotSealed,
}

/// <summary>
/// Deletes the bundles of transactions that are decided. A bundle is what a decision is made from and nothing afterwards: the registrations and
/// objects of a revision have record files of their own, which this never touches. It knows a bundle by what it holds, so bundles
/// of other nodes' transactions are found too. One run at a time; what it remembers may be lost.
/// </summary>
/// <param name="store">Whose blobs.</param>
/// <param name="clock">The time; compared with the times of the files.</param>
/// <param name="decidedKeep">How long a bundle stays after it was first seen to be decided: somebody may be reading it.</param>
/// <param name="notSealedKeep">How long a bundle without a sealed transaction stays; longer than an id can be sealed.</param>
public sealed class BundleSweep(RepositoryStore store, TimeProvider clock, TimeSpan decidedKeep, TimeSpan notSealedKeep)
{
    /// <summary>So many failures one after the other are not the bundles' fault: a disk, or nobody who could be asked.</summary>
    private const int FailuresInARowMax = 8;

    private readonly Dictionary<string, Bundle> _bundles = [];
    private DateTimeOffset _lookedUntil = DateTimeOffset.MinValue;

    /// <summary>Looks for bundles, and deletes those whose time has come. One that cannot be decided or deleted stops no other.</summary>
    /// <param name="use">Tells of a transaction whether its bundle is needed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<BundleSweepResult> RunAsync(Func<Guid, CancellationToken, Task<BundleUse>> use, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(use);
        DateTimeOffset now = clock.GetUtcNow();
        Look(now, cancellationToken);
        (int deleted, int failed, int inARow) = (0, 0, 0);
        Exception? problem = null;
        KeyValuePair<string, Bundle>[] bundles = [.. _bundles];
        // So that those which fail every time do not always come first.
        Random.Shared.Shuffle(bundles);
        foreach ((string digest, Bundle bundle) in bundles)
        {
            try
            {
                deleted += await SweepAsync(digest, bundle, now, use, cancellationToken).ConfigureAwait(false) ? 1 : 0;
                inARow = 0;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                problem ??= e;
                failed++;
                if (++inARow == FailuresInARowMax)
                    break;
            }
        }

        return new BundleSweepResult(deleted, failed, problem);
    }

    private async Task<bool> SweepAsync(string digest, Bundle bundle, DateTimeOffset now, Func<Guid, CancellationToken, Task<BundleUse>> use, CancellationToken cancellationToken)
    {
        // What a commit brings back is nobody's transaction; the commit deletes its bundle itself, unless it is killed.
        BundleUse known = bundle.Transaction == Revival.Transaction ? BundleUse.Decided : await use(bundle.Transaction, cancellationToken).ConfigureAwait(false);
        switch (known)
        {
            case BundleUse.Decided when bundle.DecidedAt is null:
                _bundles[digest] = bundle with { DecidedAt = now };
                return false;
            case BundleUse.Decided when bundle.DecidedAt + decidedKeep <= now:
            case BundleUse.NotSealed when bundle.WrittenAt + notSealedKeep <= now:
                bool deleted = store.Blobs.Delete(digest);
                _bundles.Remove(digest);
                return deleted;
            default:
                return false;
        }
    }

    // Blobs are many after years, and nearly all of them are none of ours: each is looked into once.
    private void Look(DateTimeOffset now, CancellationToken cancellationToken)
    {
        // A file that is being written gets its name a little after its time.
        DateTimeOffset until = now - decidedKeep;
        foreach (string digest in store.Blobs.List())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (store.Blobs.WrittenAt(digest) is { } at && at > _lookedUntil && at <= until && TransactionOf(digest) is { } transaction)
                _bundles[digest] = new Bundle(transaction, at, null);
        }

        if (until > _lookedUntil)
            _lookedUntil = until;
    }

    private Guid? TransactionOf(string digest)
    {
        using Stream? blob = store.Blobs.OpenRead(digest);
        return blob is not null && BundleReader.TryReadHeader(blob, digest) is { } header && header.Repository == store.Format.Repository ? header.Transaction : null;
    }

    private sealed record Bundle(Guid Transaction, DateTimeOffset WrittenAt, DateTimeOffset? DecidedAt);
}

/// <summary>What a sweep did.</summary>
/// <param name="Deleted">Bundles deleted.</param>
/// <param name="Failed">Bundles of which it could not be said, or that could not be deleted; they are tried again with the next sweep.</param>
/// <param name="Problem">Why the first of these failed; null when none did.</param>
public sealed record BundleSweepResult(int Deleted, int Failed, Exception? Problem);
