using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Blobs;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>The messages of the replication stream to and from what a mirror works with.</summary>
internal static class MirrorMapping
{
    private const int TransactionIdLength = 16;

    /// <summary>An offer.</summary>
    /// <exception cref="FormatException">A field holds something else.</exception>
    public static MirrorProtocol.Offered FromWire(RepositoryOffer offer) => Checked(offer.Repository, () => new MirrorProtocol.Offered(
        new RepositoryDefinition(
            RepositoryId.Parse(offer.Repository),
            StoreDirectory.Parse(offer.StoreDirectory),
            offer.HashAlgorithm switch
            {
                "sha1" => HashAlgorithmId.Sha1,
                "shake128" => HashAlgorithmId.Shake128,
                _ => throw new FormatException($"'{offer.HashAlgorithm}' names no hash algorithm."),
            },
            offer.TtlSeconds,
            offer.NestedMinEntries,
            ObjectHash.Parse(offer.Certificate)),
        offer.PublicKey,
        offer.HeadSequence,
        offer.HeadRevision));

    /// <summary>An event.</summary>
    /// <exception cref="FormatException">A field holds something else.</exception>
    public static MirroredEvent FromWire(ReplicatedEvent e) => Checked(e.Repository, () =>
    {
        if (e.Sequence <= 0)
            throw new FormatException($"{e.Sequence} is no sequence number.");
        var plain = new MirroredEvent(e.Sequence, DateTimeOffset.FromUnixTimeMilliseconds(e.AtMs));
        return e.KindCase switch
        {
            ReplicatedEvent.KindOneofCase.Revision => plain with { Manifest = Manifest(e.Revision), Whitelist = e.Revision.Whitelist.Memory },
            ReplicatedEvent.KindOneofCase.Tags => plain with { Manifest = Manifest(e.Tags.Head, e.Tags.SignedManifest.Memory) with { Superseded = Names(e.Tags.Superseded) } },
            ReplicatedEvent.KindOneofCase.Whitelist => plain with { Whitelist = e.Whitelist.Whitelist.Memory },
            ReplicatedEvent.KindOneofCase.Collected => plain with { Collected = Names(e.Collected.Objects) },
            ReplicatedEvent.KindOneofCase.Forgotten => plain with { Forgotten = Revisions(e.Forgotten) },
            _ => plain,
        };
    });

    /// <summary>A position as the core hears of it.</summary>
    public static RepositoryPosition ToWire(MirrorPosition p) => new()
    {
        Repository = p.Repository,
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

    /// <summary>A scrub's report.</summary>
    public static ScrubReport ToWire(MirrorScrubReport r) => new()
    {
        Repository = r.Repository,
        Running = r.FinishedAt is null,
        ObjectsChecked = r.Items,
        BytesChecked = r.Bytes,
        Damaged = r.Damaged,
        Repaired = r.Repaired,
        StartedAtMs = r.StartedAt.ToUnixTimeMilliseconds(),
        FinishedAtMs = r.FinishedAt?.ToUnixTimeMilliseconds() ?? 0,
        Problem = r.Problem,
    };

    private static MirroredManifest Manifest(RevisionEvent e) => Manifest(e.Head, e.SignedManifest.Memory) with
    {
        Records = e.Forgotten
            ? RevisionRecords.Forgotten(e.Head.Revision, e.Head.Previous?.Revision ?? 0)
            : new RevisionRecords(e.Head.Revision, e.Head.Previous?.Revision ?? 0, Digest(e.PathInfoDigest), Digest(e.DeltaDigest)),
        Delta = e.Delta.Memory,
        Superseded = Names(e.Superseded),
        Transactions = [.. e.Transactions.Where(t => t.Length == TransactionIdLength).Select(t => TransactionId.From(new Guid(t.Span, bigEndian: true)))],
    };

    private static MirroredManifest Manifest(ReplicatedHead? head, ReadOnlyMemory<byte> signed) =>
        head is null ? throw new FormatException("A revision without its head.") : new MirroredManifest(head.Revision, signed, ObjectHash.Parse(head.StoreCatalog));

    private static RevisionSet Revisions(ForgottenEvent e) => e.First.Count == e.Last.Count
        ? RevisionSet.Of(e.First.Zip(e.Last, (first, last) => new RevisionRange(first, last)))
        : throw new FormatException($"{e.First.Count} ranges begin, {e.Last.Count} end.");

    private static string Digest(string text) => BlobFolder.IsDigest(text) ? text : throw new FormatException($"'{text}' is no digest of a record file.");

    private static List<ObjectName> Names(IEnumerable<string> texts) => [.. texts.Select(ObjectName.Parse)];

    private static T Checked<T>(string repository, Func<T> map)
    {
        try
        {
            if (!RepositoryName.IsValid(repository))
                throw new FormatException($"'{repository}' is no repository name.");
            return map();
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new FormatException(e.Message, e);
        }
    }
}
