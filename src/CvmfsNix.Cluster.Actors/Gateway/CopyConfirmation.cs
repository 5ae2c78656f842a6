using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>Has what a builder sent, or need not send, copied to as many stores as the cluster asks for. Thread-safe.</summary>
internal sealed class CopyConfirmation(StoreCopies copies, CoreOptions options) : IDisposable
{
    /// <summary>Packs copied ahead of their seals at the same time; the others wait for the seal.</summary>
    private const int CopiedAhead = 4;

    private readonly SemaphoreSlim _ahead = new(CopiedAhead);
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Copies what is needed; an error the caller can act on where there are too few stores.</summary>
    /// <param name="what">It is about this.</param>
    /// <param name="copy">Copies.</param>
    public static async Task<T> CopiedAsync<T>(string what, Func<Task<T>> copy)
    {
        try
        {
            return await copy().ConfigureAwait(false);
        }
        catch (TooFewCopiesException e)
        {
            throw TooFew(what, e.Message, "Bring stores back, or wait until they are; the number of copies is never lowered by itself. The same transaction id is safe.", e);
        }
    }

    public static PublishingException TooFew(string what, string problem, string hint, Exception? inner = null) =>
        new(PublishingCodes.TooFewCopies, problem, what, hint, TimeSpan.FromSeconds(2), inner);

    /// <inheritdoc cref="IPublishingCore.ConfirmAsync"/>
    public async Task<bool> ConfirmAsync(LocalRepository repository, IReadOnlyCollection<ObjectName> objects, TransactionId transaction, CancellationToken ct)
    {
        if (!copies.Needed || repository.Backend is not StoreBackend backend)
            return true;
        try
        {
            await CopiedAsync(transaction.ToString(), () => copies.EnsureAsync(backend.Store, [.. objects.Select(StoreItem.Of)], transaction.ToString(), options.CopiesTimeout, ct)).ConfigureAwait(false);
            return true;
        }
        catch (IncompleteStoreException)
        {
            return false;
        }
    }

    /// <inheritdoc cref="IPublishingCore.CopyAhead"/>
    public void CopyAhead(LocalRepository repository, IReadOnlyCollection<ObjectName> objects, TransactionId transaction)
    {
        if (!copies.Needed || repository.Backend is not StoreBackend backend || !_ahead.Wait(0, CancellationToken.None))
            return;
        _ = Task.Run(async () =>
        {
            try
            {
                await copies.EnsureAsync(backend.Store, [.. objects.Select(StoreItem.Of)], transaction.ToString(), TimeSpan.Zero, _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or IncompleteStoreException or OperationCanceledException or ObjectDisposedException)
            {
                // The seal asks again, and waits for the answer.
            }
            finally
            {
                _ahead.Release();
            }
        });
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
        _ahead.Dispose();
    }
}
