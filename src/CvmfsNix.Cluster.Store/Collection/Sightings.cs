using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// What an earlier look found to be needed by nothing, and what this one does: for a store that deletes only what was found so twice, a grace apart. Asked part by
/// part, ascending; what it learned counts once it is completed.
/// </summary>
internal sealed class Sightings : IDisposable
{
    private readonly IEnumerator<(byte Part, HashSet<ObjectName> Names)> _before;
    private readonly CollectionPlan.Writer _after;
    private readonly bool _known;
    private readonly bool _due;
    private bool _more;

    /// <param name="folder">Where they are kept.</param>
    /// <param name="now">When this look began.</param>
    /// <param name="grace">How long after the first look one counts as the second.</param>
    public Sightings(string folder, DateTimeOffset now, TimeSpan grace)
    {
        // One that lies in the future is of a clock that was wrong: it would hold everything back until then.
        CollectionPlan? seen = CollectionPlan.TryRead(folder) is { } read && read.Cutoff <= now ? read : null;
        _known = seen is not null;
        _due = seen is not null && seen.Cutoff <= now - grace;
        _before = (seen?.Parts() ?? []).GetEnumerator();
        _more = _before.MoveNext();
        DateTimeOffset at = seen is null || _due ? now : seen.Cutoff;
        _after = new CollectionPlan.Writer(folder, at, at);
    }

    /// <summary>Those of a part that may go now.</summary>
    public List<ObjectName> Due(byte part, List<ObjectName> unneeded)
    {
        while (_more && _before.Current.Part < part)
            _more = _before.MoveNext();
        HashSet<ObjectName> before = _more && _before.Current.Part == part ? _before.Current.Names : [];
        // What was needed in between has its time anew.
        foreach (ObjectName name in unneeded.Where(n => !_known || before.Contains(n) != _due))
            _after.Add(name);
        return _due ? [.. unneeded.Where(before.Contains)] : [];
    }

    /// <summary>The look is ended.</summary>
    public void Complete()
    {
        _before.Dispose();
        _after.Complete();
    }

    public void Dispose()
    {
        _before.Dispose();
        _after.Dispose();
    }
}
