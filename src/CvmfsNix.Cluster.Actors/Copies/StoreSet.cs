using CvmfsNix.Cluster.Model.Copies;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>The current store set as this node sees it: the stores of the cluster's members that are up and reachable, its own included. Thread-safe.</summary>
/// <param name="ownId">Id of this node's store.</param>
internal sealed class StoreSet(string ownId)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _changed = New();
    private IReadOnlyList<StoreMember> _stores = [];

    /// <summary>Id of this node's store.</summary>
    public string OwnId => ownId;

    /// <summary>All stores.</summary>
    public IReadOnlyList<StoreMember> Stores
    {
        get
        {
            lock (_gate)
                return _stores;
        }
    }

    /// <summary>All but this node's.</summary>
    public IReadOnlyList<StoreMember> Others => [.. Stores.Where(s => s.Id != ownId)];

    /// <summary>Completes with the next change. To be taken before the stores are looked at.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate)
                return _changed.Task;
        }
    }

    public void Replace(IReadOnlyList<StoreMember> stores)
    {
        TaskCompletionSource done;
        lock (_gate)
        {
            if (_stores.SequenceEqual(stores))
                return;
            _stores = stores;
            done = _changed;
            _changed = New();
        }

        done.SetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
