using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;
using static CvmfsNix.Cluster.Model.Retention.RetentionProtocol;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <content>Retention, removal and withdrawal.</content>
public sealed partial class ClusterSerializer
{
    private static Rule[] RetentionRuleList() =>
    [
        // Events.
        Of<RetentionSet, Wire.RetentionEvent>(
            "ns", e => new() { Rules = RetentionMapping.ToWire(e.Rules), By = e.By, At = Ticks(e.At) }, w => new(RetentionMapping.FromWire(w.Rules), w.By, Time(w.At))),
        Of<PathsPinned, Wire.RetentionEvent>("np", RetentionMapping.ToWire, w => new([.. w.Paths.Select(StorePathName.Parse)], Time(w.Until), w.By, Time(w.At))),
        Of<PathWithdrawn, Wire.RetentionEvent>("nw", RetentionMapping.ToWire, w => new(StorePathName.Parse(w.Paths[0]), w.Reason, w.By, Time(w.At))),
        Of<RemovalsExpired, Wire.RetentionEvent>("ne", e => new() { UpTo = e.UpTo, At = Ticks(e.At) }, w => new(w.UpTo, Time(w.At))),

        Of<RecordsForgotten, Wire.RetentionEvent>(
            "nf", e => new() { Revisions = { RetentionMapping.ToWire(e.Revisions) }, At = Ticks(e.At) }, w => new(RetentionMapping.FromWire(w.Revisions), Time(w.At))),

        // Messages to the writer.
        Of<SetRetention, Wire.RetentionRequest>(
            "ys", m => new() { Repository = m.Repository.Value, Rules = RetentionMapping.ToWire(m.Rules), By = m.By }, w => new(RepositoryId.Parse(w.Repository), RetentionMapping.FromWire(w.Rules), w.By)),
        Of<PinPaths, Wire.RetentionRequest>(
            "yp",
            m =>
            {
                var wire = new Wire.RetentionRequest { Repository = m.Repository.Value, Until = Ticks(m.Until), By = m.By };
                wire.Paths.AddRange(m.Paths.Select(p => p.Value));
                return wire;
            },
            w => new(RepositoryId.Parse(w.Repository), [.. w.Paths.Select(StorePathName.Parse)], Time(w.Until), w.By)),
        Of<WithdrawPath, Wire.RetentionRequest>(
            "yw",
            m => new() { Repository = m.Repository.Value, Paths = { m.Path.Value }, Reason = m.Reason, By = m.By },
            w => new(RepositoryId.Parse(w.Repository), StorePathName.Parse(w.Paths[0]), w.Reason, w.By)),
        Of<RemovePaths, Wire.RetentionRequest>("yr", m => new() { Repository = m.Repository.Value, By = m.By }, w => new(RepositoryId.Parse(w.Repository), w.By)),
        Of<RollBack, Wire.RetentionRequest>(
            "yb",
            m => new() { Repository = m.Repository.Value, Revision = m.Revision, Tag = m.Tag, By = m.By },
            w => new(RepositoryId.Parse(w.Repository), w.Revision, w.Tag, w.By)),
        Of<GetRetention, Wire.RetentionRequest>("yg", m => new() { Repository = m.Repository.Value, From = m.From }, w => new(RepositoryId.Parse(w.Repository), w.From)),

        // Its answers.
        Of<RetentionIs, Wire.RetentionIs>("yi", RetentionMapping.ToWire, RetentionMapping.FromWire),
        Of<RemovalIs, Wire.RemovalIs>("yj", RetentionMapping.ToWire, RetentionMapping.FromWire),
        Of<RolledBack, Wire.RolledBack>("yk", RetentionMapping.ToWire, RetentionMapping.FromWire),
    ];
}
