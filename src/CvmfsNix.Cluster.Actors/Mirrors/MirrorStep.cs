using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Model.Tracing;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>
/// A run of events as one step: of several manifests and whitelists only the newest take effect, every revision's records are indexed, and
/// catalogs that came and went within the run are not fetched.
/// </summary>
internal sealed record MirrorStep
{
    /// <summary>Nothing yet.</summary>
    public static MirrorStep None { get; } = new();

    /// <summary>The last event of the run; 0 = none.</summary>
    public long Sequence { get; init; }

    /// <summary>The last event of the run that changes a named file; 0 = none does.</summary>
    public long Visible { get; init; }

    /// <summary>When the writer made the event of <see cref="Manifest"/>.</summary>
    public DateTimeOffset ManifestAt { get; init; }

    /// <summary>The newest manifest; null = none.</summary>
    public MirroredManifest? Manifest { get; init; }

    /// <summary>The newest whitelist; empty = none.</summary>
    public ReadOnlyMemory<byte> Whitelist { get; init; }

    /// <summary>Record files, oldest revision first.</summary>
    public IReadOnlyList<RevisionRecords> Records { get; init; } = [];

    /// <summary>Delta lists that came along, by their digests.</summary>
    public IReadOnlyList<(string Digest, ReadOnlyMemory<byte> Bytes)> Deltas { get; init; } = [];

    /// <summary>Objects of earlier revisions of the run that later ones do without.</summary>
    public IReadOnlySet<ObjectName> Superseded { get; init; } = new HashSet<ObjectName>();

    /// <summary>Revisions whose record files nobody needs.</summary>
    public RevisionSet Forgotten { get; init; } = RevisionSet.Empty;

    /// <summary>Transactions that become readable with the step, with the time and number of their revision.</summary>
    public IReadOnlyList<(DateTimeOffset At, ulong Revision, IReadOnlyList<TransactionId> Transactions)> Transactions { get; init; } = [];

    /// <summary>Objects nothing needs any more once the step is through.</summary>
    public IReadOnlyList<ObjectName> Collected { get; init; } = [];

    /// <summary>This step and then further events, as one.</summary>
    public MirrorStep Then(IReadOnlyCollection<MirroredEvent> events)
    {
        var step = this;
        var records = Records.ToList();
        var deltas = Deltas.ToList();
        var superseded = new HashSet<ObjectName>(Superseded);
        var collected = Collected.ToList();
        var transactions = Transactions.ToList();
        foreach (var e in events)
        {
            step = step with { Sequence = e.Sequence, Forgotten = step.Forgotten.Union(e.Forgotten) };
            if (e.Manifest is { } manifest)
            {
                step = step with { Manifest = manifest, ManifestAt = e.At, Visible = e.Sequence };
                superseded.UnionWith(manifest.Superseded);
                if (manifest.Transactions.Count > 0 && PublishSteps.Followed)
                    transactions.Add((e.At, manifest.Revision, manifest.Transactions));
                if (manifest.Records is { } files)
                {
                    records.Add(files);
                    if (!manifest.Delta.IsEmpty)
                        deltas.Add((files.DeltaDigest, manifest.Delta));
                }
            }

            if (!e.Whitelist.IsEmpty)
                step = step with { Whitelist = e.Whitelist, Visible = e.Sequence };
            collected.AddRange(e.Collected);
        }

        // What a later event of the run says nobody needs is not fetched, and need not be anywhere.
        for (int i = 0; i < records.Count; i++)
            records[i] = step.Forgotten.Contains(records[i].Revision) ? RevisionRecords.Forgotten(records[i].Revision, records[i].Previous) : records[i];
        HashSet<string> wanted = new(records.Select(r => r.DeltaDigest), StringComparer.Ordinal);
        return step with { Records = records, Deltas = [.. deltas.Where(d => wanted.Contains(d.Digest))], Superseded = superseded, Collected = collected, Transactions = transactions };
    }

    /// <summary>What remains to be done once its records are indexed: it is far behind, and later events will decide what is served.</summary>
    public MirrorStep Indexed() => this with
    {
        Manifest = Manifest is { } m ? m with { Records = null, Delta = default, Superseded = [] } : null,
        Records = [],
        Deltas = [],
        Transactions = [],
        Superseded = new HashSet<ObjectName>(),
    };
}
