using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Actors.Serialization.ReplicaWireMapping;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <content>Replicas, their directories and their streams.</content>
public sealed partial class ClusterSerializer
{
    // A method: the order in which fields of several files are initialised is nobody's promise.
    private static Rule[] ReplicaRules() =>
    [
        // A replica's events and snapshot.
        Of<ReplicaRegistered, Wire.ReplicaEvent>("pr", e => new() { Site = e.Site, At = Ticks(e.At) }, w => new(w.Site, Time(w.At))),
        Of<ReplicaPaused, Wire.ReplicaEvent>("pp", e => new() { At = Ticks(e.At) }, w => new(Time(w.At))),
        Of<ReplicaResumed, Wire.ReplicaEvent>("pu", e => new() { At = Ticks(e.At) }, w => new(Time(w.At))),
        Of<ReplicaRemoved, Wire.ReplicaEvent>("px", e => new() { At = Ticks(e.At) }, w => new(Time(w.At))),
        Of<ReplicaSeen, Wire.ReplicaEvent>("ps", e => new() { Position = ToWire(e.Position), At = Ticks(e.At) }, w => new(FromWire(w.Position), Time(w.At))),
        Of<ReplicaState, Wire.ReplicaSnapshot>("pss", ToWire, FromWire),

        // A directory's events and snapshot.
        Of<ReplicaListed, Wire.DirectoryEvent>("dl", e => new() { Replica = e.Replica.Value, At = Ticks(e.At) }, w => new(ReplicaId.Parse(w.Replica), Time(w.At))),
        Of<ReplicaUnlisted, Wire.DirectoryEvent>("du", e => new() { Replica = e.Replica.Value, At = Ticks(e.At) }, w => new(ReplicaId.Parse(w.Replica), Time(w.At))),
        Of<DirectoryState, Wire.DirectorySnapshot>("dss", ToWire, FromWire),

        // Messages to a replica.
        Of<Connect, Wire.ReplicaMessage>(
            "mc",
            m => new() { Key = m.Key.EntityId, Session = Session(m.Session), Site = m.Site, DataUrl = m.DataUrl, Position = ToWire(m.Position) },
            w => new(ReplicaKey.Parse(w.Key), Session(w.Session), w.Site, w.DataUrl, FromWire(w.Position))),
        Of<Report, Wire.ReplicaMessage>(
            "mr",
            m => new() { Key = m.Key.EntityId, Session = Session(m.Session), DataUrl = m.DataUrl, Position = m.Position is { } p ? ToWire(p) : null },
            w => new(ReplicaKey.Parse(w.Key), Session(w.Session), w.DataUrl, w.Position is { } p ? FromWire(p) : null)),
        Of<ReportScrub, Wire.ReplicaMessage>(
            "ms", m => new() { Key = m.Key.EntityId, Session = Session(m.Session), Scrub = ToWire(m.Scrub) }, w => new(ReplicaKey.Parse(w.Key), Session(w.Session), FromWire(w.Scrub))),
        Of<Disconnect, Wire.ReplicaMessage>("md", m => new() { Key = m.Key.EntityId, Session = Session(m.Session) }, w => new(ReplicaKey.Parse(w.Key), Session(w.Session))),
        Of<GetReplica, Wire.ReplicaMessage>("mg", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<Pause, Wire.ReplicaMessage>("mp", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<Resume, Wire.ReplicaMessage>("mu", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<Remove, Wire.ReplicaMessage>("mx", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<Scrub, Wire.ReplicaMessage>("mb", m => new() { Key = m.Key.EntityId, BytesPerSecond = m.BytesPerSecond }, w => new(ReplicaKey.Parse(w.Key), w.BytesPerSecond)),
        Of<SiblingsAre, Wire.ReplicaMessage>("mi", ToWire, w => new(ReplicaKey.Parse(w.Key), [.. w.DataUrls])),

        // To and from a directory.
        Of<ReplicaIs, Wire.ReplicaIs>("mt", m => new() { Replica = ToWire(m.Replica), Confirm = m.Confirm }, w => new(FromWire(w.Replica), w.Confirm)),
        Of<Listed, Wire.ReplicaMessage>("mk", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<ListReplicas, Wire.ListReplicas>("ml", m => new() { Repository = m.Repository.Value, After = m.After }, w => new(RepositoryId.Parse(w.Repository), w.After)),
        Of<ReplicaList, Wire.ReplicaList>("mm", ToWire, w => new(RepositoryId.Parse(w.Repository), [.. w.Replicas.Select(FromWire)], w.More)),
        Of<AwaitReplicas, Wire.AwaitReplicas>(
            "mw",
            m => new() { Repository = m.Repository.Value, Revision = m.Revision, Condition = m.Condition.ToString(), Patience = m.Patience.Ticks },
            w => new(RepositoryId.Parse(w.Repository), w.Revision, Condition(w.Condition), new TimeSpan(w.Patience))),
        Of<ReplicaWaitIs, Wire.ReplicaWait>("mv", m => ToWire(m.Wait), w => new(FromWire(w))),

        // To a stream.
        Of<Connected, Wire.ReplicaMessage>(
            "sc", m => new() { Key = m.Key.EntityId, Session = Session(m.Session), Paused = m.Paused }, w => new(ReplicaKey.Parse(w.Key), Session(w.Session), w.Paused)),
        Of<PausedIs, Wire.ReplicaMessage>("sp", m => new() { Key = m.Key.EntityId, Paused = m.Paused }, w => new(ReplicaKey.Parse(w.Key), w.Paused)),
        Of<ScrubWanted, Wire.ReplicaMessage>("sw", m => new() { Key = m.Key.EntityId, BytesPerSecond = m.BytesPerSecond }, w => new(ReplicaKey.Parse(w.Key), w.BytesPerSecond)),
        Of<Forgotten, Wire.ReplicaMessage>("sf", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<NotRegistered, Wire.ReplicaMessage>("sn", m => new() { Key = m.Key.EntityId }, w => new(ReplicaKey.Parse(w.Key))),
        Of<SessionSuperseded, Wire.ReplicaMessage>("ss", m => new() { Key = m.Key.EntityId, Session = Session(m.Session) }, w => new(ReplicaKey.Parse(w.Key), Session(w.Session))),
    ];
}
