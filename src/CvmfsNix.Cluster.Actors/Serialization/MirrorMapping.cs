using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Repositories;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>A mirror's events and its journal snapshot to and from their wire form.</summary>
internal static class MirrorMapping
{
    public static Wire.MirrorPinned ToWire(MirrorPinned e) => new() { Definition = WireMapping.ToWire(e.Definition), PublicKey = e.PublicKeyPem, At = Ticks(e.At) };

    public static MirrorPinned FromWire(Wire.MirrorPinned w) => new(WireMapping.FromWire(w.Definition), w.PublicKey, Time(w.At));

    public static Wire.MirrorApplied ToWire(MirrorApplied e)
    {
        var wire = new Wire.MirrorApplied { Sequence = e.Sequence, Visible = e.Visible, Revision = e.Revision, RootHash = e.RootHash, At = Ticks(e.At) };
        wire.Records.AddRange(e.Records.Select(r => new Wire.MirrorRecords
        {
            Revision = r.Revision,
            Previous = r.Previous,
            PathInfoDigest = r.PathInfoDigest,
            DeltaDigest = r.DeltaDigest,
        }));
        wire.Collected.AddRange(e.Collected.Select(o => o.ToString()));
        wire.Forgotten.AddRange(RetentionMapping.ToWire(e.Forgotten));
        return wire;
    }

    public static MirrorApplied FromWire(Wire.MirrorApplied w) => new(
        w.Sequence,
        w.Visible,
        w.Revision,
        w.RootHash,
        [.. w.Records.Select(r => new RevisionRecords(r.Revision, r.Previous, r.PathInfoDigest, r.DeltaDigest))],
        [.. w.Collected.Select(ObjectName.Parse)],
        Time(w.At))
    {
        Forgotten = RetentionMapping.FromWire(w.Forgotten),
    };

    public static Wire.MirrorDropped ToWire(MirrorDropped e) => new() { AppliedBefore = Ticks(e.AppliedBefore) };

    public static MirrorDropped FromWire(Wire.MirrorDropped w) => new(Time(w.AppliedBefore));

    public static Wire.MirrorSnapshot ToWire(MirrorState s)
    {
        var wire = new Wire.MirrorSnapshot
        {
            Definition = s.Definition is { } d ? WireMapping.ToWire(d) : null,
            PublicKey = s.PinnedKeyPem,
            Sequence = s.Sequence,
            Visible = s.Visible,
            IndexedRevision = s.IndexedRevision,
        };
        wire.Forgotten.AddRange(RetentionMapping.ToWire(s.Forgotten));
        wire.Collected.AddRange(s.Collected.Select(c =>
        {
            var group = new Wire.MirrorCollected { At = Ticks(c.At) };
            group.Objects.AddRange(c.Objects.Select(o => o.ToString()));
            return group;
        }));
        return wire;
    }

    public static MirrorState FromWire(Wire.MirrorSnapshot w) => new()
    {
        Definition = w.Definition is { } d ? WireMapping.FromWire(d) : null,
        PinnedKeyPem = w.PublicKey,
        Sequence = w.Sequence,
        Visible = w.Visible,
        IndexedRevision = w.IndexedRevision,
        Forgotten = RetentionMapping.FromWire(w.Forgotten),
        Collected = [.. w.Collected.Select(c => new CollectedObjects(Time(c.At), [.. c.Objects.Select(ObjectName.Parse)]))],
    };
}
