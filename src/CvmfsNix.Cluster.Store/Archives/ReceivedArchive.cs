using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>
/// An archive that was unpacked into objects which nobody can see yet: scratch files that go with it, until it is told which path it is of and
/// that its objects are wanted. Thread-safe.
/// </summary>
public sealed class ReceivedArchive : IAsyncDisposable
{
    private readonly ObjectBatch _batch;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private bool _durable;

    internal ReceivedArchive(ObjectBatch batch, TreeNode root, int entries, NarHash narHash, long narSize)
    {
        (_batch, Root, Entries, NarHash, NarSize) = (batch, root, entries, narHash, narSize);
    }

    /// <summary>The tree, with every content resolved to objects.</summary>
    public TreeNode Root { get; }

    /// <summary>Files, directories and links in it.</summary>
    public int Entries { get; }

    /// <summary>SHA-256 of the archive, not compressed.</summary>
    public NarHash NarHash { get; }

    /// <summary>Bytes of the archive, not compressed.</summary>
    public long NarSize { get; }

    /// <summary>Bytes of scratch it takes; none any more once its objects are in the store.</summary>
    public long ScratchBytes => Volatile.Read(ref _durable) ? 0 : _batch.BytesNew;

    /// <summary>Whether its objects are in the store.</summary>
    public bool IsKept => Volatile.Read(ref _durable);

    /// <summary>Makes its objects visible and durable. May be repeated.</summary>
    /// <exception cref="ObjectStoreException">The disk failed or is full.</exception>
    public async Task KeepAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_durable)
                return;
            await _batch.CompleteAsync(cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref _durable, true);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Removes what was not kept.</summary>
    public async ValueTask DisposeAsync()
    {
        await _batch.DisposeAsync().ConfigureAwait(false);
        _gate.Dispose();
    }
}
