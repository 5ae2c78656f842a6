using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>Objects of a revision that is served: they are here, or another store still has them.</summary>
internal static class StoredObjects
{
    /// <summary>The stored bytes.</summary>
    /// <exception cref="IncompleteStoreException">The object is nowhere.</exception>
    public static async ValueTask<Stream> OpenAsync(
        RepositoryStore store, ObjectName name, Func<ObjectName, CancellationToken, Task<bool>>? bring, CancellationToken cancellationToken)
    {
        if (store.Objects.OpenRead(name) is { } here)
            return here;
        if (bring is not null && await bring(name, cancellationToken).ConfigureAwait(false) && store.Objects.OpenRead(name) is { } brought)
            return brought;
        throw new IncompleteStoreException(store.Format.Repository, "what is served", [name.ToString()]);
    }
}
