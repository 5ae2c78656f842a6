using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>An event that the store has applied, as its archive kept it.</summary>
/// <param name="Sequence">Its journal sequence number.</param>
/// <param name="Event">Its bytes.</param>
public sealed record AppliedEventRecord(long Sequence, ReadOnlyMemory<byte> Event);

/// <summary>One repository on one node.</summary>
public sealed class RepositoryStore : IAsyncDisposable
{
    public static Task<RepositoryStore> OpenAsync(StoreLayout layout, RepositoryFormat format, CancellationToken cancellationToken) => throw new NotImplementedException();
    public StoreLayout Layout => throw new NotImplementedException();
    public RepositoryFormat Format => throw new NotImplementedException();
    public IObjectStore Objects => throw new NotImplementedException();
    public BlobFolder Blobs => throw new NotImplementedException();
    public RepositoryIndex Index => throw new NotImplementedException();
    public ulong IndexedRevision => throw new NotImplementedException();
    public long AppliedSequence => throw new NotImplementedException();
    public RepositoryUsage Usage => throw new NotImplementedException();
    public Task<CommittedRevision> PrepareInitialAsync(RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task<PreparedCommit> PrepareAsync(RepositoryHead head, IReadOnlyList<CommitMember> batch, RepositoryKeys keys, DateTimeOffset now, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task AdoptAsync(CommittedRevision revision, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task DiscardAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task ApplyCreatedAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ReadOnlyMemory<byte> whitelist, CommittedRevision initial, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task ApplyRevisionAsync(long sequence, ReadOnlyMemory<byte> eventBytes, CommittedRevision revision, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task ApplyWhitelistAsync(long sequence, ReadOnlyMemory<byte> eventBytes, ReadOnlyMemory<byte> whitelist, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task ApplyCollectedAsync(long sequence, ReadOnlyMemory<byte> eventBytes, IReadOnlyList<ObjectName> objects, CancellationToken cancellationToken) => throw new NotImplementedException();
    public Task ReindexAsync(CommittedRevision revision, CancellationToken cancellationToken) => throw new NotImplementedException();
    public IEnumerable<AppliedEventRecord> ReadAppliedEvents() => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
