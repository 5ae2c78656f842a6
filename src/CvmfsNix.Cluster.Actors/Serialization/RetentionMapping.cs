using System.Collections.Immutable;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>Retention to and from its wire form.</summary>
internal static class RetentionMapping
{
    public static Wire.RetentionRules ToWire(RetentionRules r) => new()
    {
        Enabled = r.Enabled,
        ProfileGenerations = r.ProfileGenerations,
        KeepRecent = r.KeepRecent.Ticks,
        Automatic = r.Automatic,
        Paused = r.Paused,
    };

    public static RetentionRules FromWire(Wire.RetentionRules r) => new(r.Enabled, r.ProfileGenerations, new TimeSpan(r.KeepRecent), r.Automatic) { Paused = r.Paused };

    public static Wire.RetentionEvent ToWire(PathsPinned e)
    {
        var wire = new Wire.RetentionEvent { Until = Ticks(e.Until), By = e.By, At = Ticks(e.At) };
        wire.Paths.AddRange(e.Paths.Select(p => p.Value));
        return wire;
    }

    public static Wire.RetentionEvent ToWire(PathWithdrawn e) => new() { Paths = { e.Path.Value }, Reason = e.Reason, By = e.By, At = Ticks(e.At) };

    public static Wire.Tombstone ToWire(Tombstone t) => new() { Path = t.Path.Value, Reason = t.Reason, By = t.By, At = Ticks(t.At) };

    public static Tombstone FromWire(Wire.Tombstone t) => new(StorePathName.Parse(t.Path), t.Reason, t.By, Time(t.At));

    public static Wire.RemovedPaths ToWire(RemovedPaths r) => new() { Revision = r.Revision, At = Ticks(r.At), Digest = r.Digest, Paths = r.Paths };

    public static RemovedPaths FromWire(Wire.RemovedPaths r) => new(r.Revision, Time(r.At), r.Digest, r.Paths);

    public static Wire.PathPin ToWire(PathPin p) => new() { Path = p.Path.Value, Until = Ticks(p.Until), By = p.By };

    public static PathPin FromWire(Wire.PathPin p) => new(StorePathName.Parse(p.Path), Time(p.Until), p.By);

    public static IEnumerable<Wire.RevisionRange> ToWire(RevisionSet s) => s.Select(r => new Wire.RevisionRange { First = r.First, Last = r.Last });

    public static RevisionSet FromWire(IEnumerable<Wire.RevisionRange> ranges) => RevisionSet.Of(ranges.Select(r => new RevisionRange(r.First, r.Last)));

    /// <summary>Adds the part of a state that is about retention.</summary>
    public static void AddTo(Wire.RepositorySnapshot wire, RepositoryState s)
    {
        wire.Retention = ToWire(s.Retention);
        wire.Generations.AddRange(s.Generations.Select(WireMapping.ToWire));
        wire.Pins.AddRange(s.Pins.Values.Select(ToWire));
        wire.Withdrawn.AddRange(s.Withdrawn.Values.Select(ToWire));
        wire.Removals.AddRange(s.Removals.Select(ToWire));
        wire.ExpiredRemoval = s.ExpiredRemoval;
        wire.Forgotten.AddRange(ToWire(s.Forgotten));
    }

    /// <summary>The state with that part. A version that did not know of it removed nothing, and knew the newest generation of each profile.</summary>
    public static RepositoryState With(Wire.RepositorySnapshot s, RepositoryState state) => s.Retention is null
        ? state with { Generations = [.. s.Profiles.Select(WireMapping.FromWire)] }
        : state with
        {
            Retention = FromWire(s.Retention),
            Generations = [.. s.Generations.Select(WireMapping.FromWire)],
            Pins = s.Pins.Select(FromWire).ToImmutableSortedDictionary(p => p.Path.Value, p => p, StringComparer.Ordinal),
            Withdrawn = s.Withdrawn.Select(FromWire).ToImmutableSortedDictionary(t => t.Path.Value, t => t, StringComparer.Ordinal),
            Removals = [.. s.Removals.Select(FromWire)],
            ExpiredRemoval = s.ExpiredRemoval,
            Forgotten = FromWire(s.Forgotten),
        };

    public static Wire.RetentionIs ToWire(RetentionProtocol.RetentionIs m)
    {
        var wire = new Wire.RetentionIs { Rules = ToWire(m.Rules), ExpiredRemoval = m.ExpiredRemoval, SequenceNumber = m.SequenceNumber, More = m.More, Removal = ToWire(m.Removal) };
        wire.Pins.AddRange(m.Pins.Select(ToWire));
        wire.Generations.AddRange(m.Generations.Select(WireMapping.ToWire));
        wire.Withdrawn.AddRange(m.Withdrawn.Select(ToWire));
        wire.Removals.AddRange(m.Removals.Select(ToWire));
        return wire;
    }

    public static RetentionProtocol.RetentionIs FromWire(Wire.RetentionIs w) => new(
        FromWire(w.Rules),
        [.. w.Generations.Select(WireMapping.FromWire)],
        [.. w.Pins.Select(FromWire)],
        [.. w.Withdrawn.Select(FromWire)],
        [.. w.Removals.Select(FromWire)],
        w.ExpiredRemoval,
        FromWire(w.Removal),
        w.SequenceNumber,
        w.More);

    public static Wire.RemovalIs ToWire(RetentionProtocol.RemovalIs m)
    {
        var wire = new Wire.RemovalIs
        {
            Running = m.Running,
            Left = m.Left,
            Removed = m.Removed,
            StartedAt = Ticks(m.StartedAt),
            EndedAt = Ticks(m.EndedAt),
            Problem = m.Problem,
            Revision = m.Revision,
            SequenceNumber = m.SequenceNumber,
            PathsCount = m.PathsCount,
        };
        wire.Paths.AddRange(m.Paths.Select(p => p.Value));
        return wire;
    }

    public static RetentionProtocol.RemovalIs FromWire(Wire.RemovalIs w) => new(
        w.Running, w.Left, w.Removed, Time(w.StartedAt), Time(w.EndedAt), w.Problem, w.Revision, w.SequenceNumber, [.. w.Paths.Select(StorePathName.Parse)], w.PathsCount);

    public static Wire.RolledBack ToWire(RetentionProtocol.RolledBack m) => new()
    {
        To = m.To,
        Revision = m.Revision,
        RootHash = m.RootHash,
        SequenceNumber = m.SequenceNumber,
        Returned = m.Returned,
        Removed = m.Removed,
        LeftOut = { m.LeftOut.Select(p => p.Value) },
        LeftOutCount = m.LeftOutCount,
    };

    public static RetentionProtocol.RolledBack FromWire(Wire.RolledBack w) =>
        new(w.To, w.Revision, w.RootHash, w.SequenceNumber, w.Returned, w.Removed, [.. w.LeftOut.Select(StorePathName.Parse)], w.LeftOutCount);
}
