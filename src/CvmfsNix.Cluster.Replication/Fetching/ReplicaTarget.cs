using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Fetching;

/// <summary>Where fetched items go: one repository's objects, by the algorithm that names them, and its record files. Thread-safe.</summary>
internal sealed class ReplicaTarget
{
    private readonly DirectoryObjectStore?[] _stores = new DirectoryObjectStore?[4];

    // Of each directory one object that was found there and not brought by us, since names were made durable last.
    private readonly ConcurrentDictionary<int, ObjectName> _found = new();

    /// <summary>A store of ours: all of it is named by one algorithm.</summary>
    public ReplicaTarget(RepositoryStore store)
    {
        Repository = store.Format.Repository;
        RepositoryFolder = store.Layout.RepositoryFolder(Repository);
        WorkFolder = store.Layout.WorkFolder(Repository);
        Blobs = store.Blobs;
        _stores[(int)store.Format.HashAlgorithm] = (DirectoryObjectStore)store.Objects;
    }

    /// <summary>A bare repository folder, in which several algorithms may occur.</summary>
    public ReplicaTarget(string repository, string repositoryFolder, string workFolder)
    {
        Repository = repository;
        RepositoryFolder = repositoryFolder;
        WorkFolder = workFolder;
        foreach (HashAlgorithmId algorithm in Enum.GetValues<HashAlgorithmId>())
            _stores[(int)algorithm] = new DirectoryObjectStore(repositoryFolder, algorithm);
    }

    /// <summary>Fully qualified name.</summary>
    public string Repository { get; }

    /// <summary>What clients are served.</summary>
    public string RepositoryFolder { get; }

    /// <summary>Scratch.</summary>
    public string WorkFolder { get; }

    /// <summary>Record files; null where there are none.</summary>
    public BlobFolder? Blobs { get; }

    /// <summary>The objects named by an algorithm; null when the repository does not use it.</summary>
    public DirectoryObjectStore? Objects(HashAlgorithmId algorithm) => _stores[(int)algorithm];

    /// <summary>Whether it is here; an object that is counts as new from here on, so that no collection takes it from under a revision that is being completed.</summary>
    public bool Contains(StoreItem item)
    {
        if (item.Blob is { } blob)
            return Blobs?.Contains(blob) ?? false;
        ObjectName name = item.Object;
        if (Objects(name.Hash.Algorithm) is not { } store || !store.Refresh(name))
            return false;
        Span<byte> digest = stackalloc byte[ObjectHash.Size];
        name.Hash.CopyTo(digest);
        _found[((int)name.Hash.Algorithm * 256) + digest[0]] = name;
        return true;
    }

    /// <summary>Stored bytes of an object; null when it is not here.</summary>
    public Stream? OpenRead(ObjectName name) => Objects(name.Hash.Algorithm)?.OpenRead(name);

    /// <summary>On return every object that <see cref="Contains"/> found survives a power loss, whoever put it there; of those before a call that ended well it is known.</summary>
    /// <exception cref="IOException">A directory cannot be made durable.</exception>
    public async Task ConfirmFoundAsync(CancellationToken cancellationToken)
    {
        foreach (DirectoryObjectStore store in _stores.OfType<DirectoryObjectStore>())
        {
            KeyValuePair<int, ObjectName>[] found = [.. _found.Where(f => f.Value.Hash.Algorithm == store.Algorithm)];
            IReadOnlyList<ObjectName> gone = await store.ConfirmDurableAsync(found.Select(f => f.Value), cancellationToken).ConfigureAwait(false);
            // What was found for a revision that is complete may be collected one day: it is not looked for again.
            foreach (KeyValuePair<int, ObjectName> confirmed in found)
                _found.TryRemove(confirmed);
            if (gone.Count > 0)
                throw new ReplicationException(ReplicationFailure.DiskFailed, $"Objects of {Repository} were deleted while they were counted on, {gone[0]} among them: try again.");
        }
    }
}
