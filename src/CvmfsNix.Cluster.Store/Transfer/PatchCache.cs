using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// Patches of one repository's objects. Every replica asks for the same one after a commit, so the last few are kept; only what to copy and what to send, not
/// the bytes. Thread-safe.
/// </summary>
public sealed class PatchCache(IObjectStore objects) : IDisposable
{
    private const int KeptMax = 16;
    private const int StepsMax = 1 << 16;

    // Both versions are in memory while they are compared.
    private const long ObjectBytesMax = 128 << 20;

    // A patch that saves less is not worth reading the base for.
    private const double WorthIt = 0.8;

    private readonly Lock _gate = new();
    private readonly Dictionary<(ObjectName Base, ObjectName Name), Lazy<Task<IReadOnlyList<PatchStep>?>>> _kept = [];
    private readonly Queue<(ObjectName Base, ObjectName Name)> _age = new();
    private readonly SemaphoreSlim _making = new(1, 1);

    /// <summary>The steps from one object to another; null when either is not here, or a patch would not be much smaller than the object.</summary>
    public async Task<IReadOnlyList<PatchStep>?> FindAsync(ObjectName baseName, ObjectName name, CancellationToken cancellationToken)
    {
        (ObjectName, ObjectName) key = (baseName, name);
        Lazy<Task<IReadOnlyList<PatchStep>?>>? steps;
        lock (_gate)
        {
            if (!_kept.TryGetValue(key, out steps))
            {
                // One for all who ask at the same time: it does not end with the first of them.
                steps = new Lazy<Task<IReadOnlyList<PatchStep>?>>(() => Task.Run(() => MakeAsync(baseName, name), CancellationToken.None));
                _kept.Add(key, steps);
                _age.Enqueue(key);
                if (_age.Count > KeptMax)
                    _kept.Remove(_age.Dequeue());
            }
        }

        try
        {
            return await steps.Value.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // What cannot be read cannot be a base; what is wanted is read again, and reported, as a whole.
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _making.Dispose();

    private async Task<IReadOnlyList<PatchStep>?> MakeAsync(ObjectName baseName, ObjectName name)
    {
        await _making.WaitAsync().ConfigureAwait(false);
        try
        {
            if (Read(baseName) is not { } original || Read(name) is not { } target)
                return null;
            IReadOnlyList<PatchStep> steps = ObjectPatch.Make(original, target);
            return steps.Count <= StepsMax && ObjectPatch.WireLength(steps) <= target.Length * WorthIt ? steps : null;
        }
        finally
        {
            _making.Release();
        }
    }

    private byte[]? Read(ObjectName name)
    {
        using Stream? content = objects.OpenRead(name);
        if (content is null || content.Length > ObjectBytesMax)
            return null;
        var bytes = new byte[content.Length];
        content.ReadExactly(bytes);
        return bytes;
    }
}
