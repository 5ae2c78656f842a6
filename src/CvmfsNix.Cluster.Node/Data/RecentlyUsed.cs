using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// Values that are expensive to make, about as many as are worth keeping: two generations, of which the elder is dropped when the younger has
/// reached half of the bound. What is used moves to the younger. Thread-safe; dropped values are not disposed.
/// </summary>
/// <param name="weightMax">Of all values kept.</param>
/// <param name="weigh">Of one value.</param>
internal sealed class RecentlyUsed<TKey, TValue>(long weightMax, Func<TValue, long> weigh)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private ConcurrentDictionary<TKey, TValue> _young = new();
    private ConcurrentDictionary<TKey, TValue> _old = new();
    private long _weight;

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_young.TryGetValue(key, out value))
            return true;
        if (!_old.TryGetValue(key, out value))
            return false;
        Add(key, value);
        return true;
    }

    /// <summary>Keeps a value, in the place of another one with the key.</summary>
    public void Add(TKey key, TValue value)
    {
        long weight = weigh(value);
        if (weight > weightMax / 2)
            return;
        lock (_gate)
        {
            _weight += weight - (_young.TryGetValue(key, out TValue? there) ? weigh(there) : 0);
            _young[key] = value;
            if (_weight <= weightMax / 2)
                return;
            _old = _young;
            _young = new ConcurrentDictionary<TKey, TValue>();
            _weight = 0;
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _young = new ConcurrentDictionary<TKey, TValue>();
            _old = new ConcurrentDictionary<TKey, TValue>();
            _weight = 0;
        }
    }
}
