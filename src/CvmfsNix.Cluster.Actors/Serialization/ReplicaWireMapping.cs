using System.Collections.Immutable;
using CvmfsNix.Cluster.Model.Replicas;
using Google.Protobuf;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>What concerns replicas, to and from its wire form.</summary>
internal static class ReplicaWireMapping
{
    public static ByteString Session(Guid id) => ByteString.CopyFrom(id.ToByteArray(bigEndian: true));

    public static Guid Session(ByteString bytes) => new(bytes.Span, bigEndian: true);

    public static ReplicaCondition Condition(string text) =>
        ReplicaCondition.TryParse(text, out var condition) ? condition : throw new FormatException($"'{text}' is no condition on replicas.");

    public static Wire.ReplicaPosition ToWire(ReplicaPosition p) => new()
    {
        Sequence = p.Sequence,
        Revision = p.Revision,
        RootHash = p.RootHash,
        MissingBytes = p.MissingBytes,
        MissingObjects = p.MissingObjects,
        CatchingUp = p.CatchingUp,
        Problem = p.Problem,
        Trouble = p.Trouble,
        TroubleAtMs = p.TroubleAt.ToUnixTimeMilliseconds(),
    };

    public static ReplicaPosition FromWire(Wire.ReplicaPosition p) => new(p.Sequence, p.Revision, p.RootHash, p.MissingBytes, p.MissingObjects, p.CatchingUp, p.Problem)
    {
        Trouble = p.Trouble,
        TroubleAt = DateTimeOffset.FromUnixTimeMilliseconds(p.TroubleAtMs),
    };

    public static Wire.ReplicaScrub ToWire(ScrubState s)
    {
        var wire = new Wire.ReplicaScrub
        {
            Running = s.Running,
            Objects = s.Objects,
            Bytes = s.Bytes,
            Damaged = s.Damaged,
            Repaired = s.Repaired,
            StartedAt = Ticks(s.StartedAt),
            Problem = s.Problem,
        };
        if (s.FinishedAt is { } finished)
            wire.FinishedAt = Ticks(finished);
        return wire;
    }

    public static ScrubState FromWire(Wire.ReplicaScrub s) =>
        new(s.Running, s.Objects, s.Bytes, s.Damaged, s.Repaired, Time(s.StartedAt), s.HasFinishedAt ? Time(s.FinishedAt) : null, s.Problem);

    public static Wire.ReplicaSummary ToWire(ReplicaSummary s) => new()
    {
        Key = s.Key.EntityId,
        Registered = s.Registered,
        Site = s.Site,
        DataUrl = s.DataUrl,
        Paused = s.Paused,
        Connected = s.Connected,
        RegisteredAt = Ticks(s.RegisteredAt),
        LastSeenAt = Ticks(s.LastSeenAt),
        Position = ToWire(s.Position),
        Scrub = s.Scrub is { } scrub ? ToWire(scrub) : null,
    };

    public static ReplicaSummary FromWire(Wire.ReplicaSummary s) => new(
        ReplicaKey.Parse(s.Key),
        s.Registered,
        s.Site,
        s.DataUrl,
        s.Paused,
        s.Connected,
        Time(s.RegisteredAt),
        Time(s.LastSeenAt),
        FromWire(s.Position),
        s.Scrub is { } scrub ? FromWire(scrub) : null);

    public static Wire.ReplicaSnapshot ToWire(ReplicaState s) => new()
    {
        Registered = s.Registered,
        Site = s.Site,
        Paused = s.Paused,
        RegisteredAt = Ticks(s.RegisteredAt),
        SeenAt = Ticks(s.SeenAt),
        Position = ToWire(s.Position),
    };

    public static ReplicaState FromWire(Wire.ReplicaSnapshot s) => ReplicaState.Empty with
    {
        Registered = s.Registered,
        Site = s.Site,
        Paused = s.Paused,
        RegisteredAt = Time(s.RegisteredAt),
        SeenAt = Time(s.SeenAt),
        Position = FromWire(s.Position),
    };

    public static Wire.DirectorySnapshot ToWire(DirectoryState s)
    {
        var wire = new Wire.DirectorySnapshot();
        wire.Replicas.AddRange(s.Replicas);
        return wire;
    }

    public static DirectoryState FromWire(Wire.DirectorySnapshot s) => DirectoryState.Empty with { Replicas = s.Replicas.ToImmutableSortedSet(StringComparer.Ordinal) };

    public static Wire.ReplicaMessage ToWire(ReplicaProtocol.SiblingsAre m)
    {
        var wire = new Wire.ReplicaMessage { Key = m.Key.EntityId };
        wire.DataUrls.AddRange(m.DataUrls);
        return wire;
    }

    public static Wire.ReplicaList ToWire(ReplicaProtocol.ReplicaList m)
    {
        var wire = new Wire.ReplicaList { Repository = m.Repository.Value, More = m.More };
        wire.Replicas.AddRange(m.Replicas.Select(ToWire));
        return wire;
    }

    public static Wire.ReplicaWait ToWire(ReplicaWait w)
    {
        var wire = new Wire.ReplicaWait { Reached = w.Reached };
        wire.Serving.AddRange(w.Serving.Select(ToWire));
        wire.Behind.AddRange(w.Behind.Select(ToWire));
        return wire;
    }

    public static ReplicaWait FromWire(Wire.ReplicaWait w) => new(w.Reached, [.. w.Serving.Select(FromWire)], [.. w.Behind.Select(FromWire)]);
}
