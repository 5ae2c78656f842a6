using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using CvmfsNix.Cluster.Node.Gateway;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>Between the model's records and the messages of a mirror's stream.</summary>
internal static class ReplicationMapping
{
    /// <summary>Of one event.</summary>
    private const int TransactionsMax = 512;

    public static RepositoryOffer Offer(FollowedRepository r) => new()
    {
        Repository = r.Definition.Repository.Value,
        StoreDirectory = r.Definition.StoreDirectory.Value,
        HashAlgorithm = OutcomeMapping.NameOf(r.Definition.HashAlgorithm),
        TtlSeconds = r.Definition.TtlSeconds,
        NestedMinEntries = r.Definition.NestedMinEntries,
        Certificate = r.Definition.Certificate.ToString(),
        PublicKey = r.PublicKeyPem,
        HeadSequence = r.Sequence,
        HeadRevision = r.Revision,
    };

    /// <summary>An event without its delta list. One that changes nothing a mirror serves has no kind.</summary>
    public static ReplicatedEvent Event(RepositoryId repository, SequencedEvent e)
    {
        var message = new ReplicatedEvent { Repository = repository.Value, Sequence = e.Sequence, AtMs = e.Event.At.ToUnixTimeMilliseconds() };
        switch (e.Event)
        {
            case RepositoryCreated created:
                message.Revision = Revision(created.Initial);
                message.Revision.Created = true;
                message.Revision.Whitelist = Bytes(created.Whitelist);
                break;
            case RevisionCommitted committed:
                message.Revision = Revision(committed.Revision);
                message.Revision.Transactions.AddRange(committed.Outcomes.Where(o => o.Revision == committed.Revision.Head.Revision).Take(TransactionsMax).Select(o => ByteString.CopyFrom(o.Id.Value.ToByteArray(bigEndian: true))));
                break;
            case WhitelistRenewed renewed:
                message.Whitelist = new WhitelistEvent { Whitelist = Bytes(renewed.Whitelist), ExpiresAtMs = renewed.ExpiresAt.ToUnixTimeMilliseconds() };
                break;
            case TagSet set:
                message.Tags = Tags(set.State);
                message.Tags.Set = Tag(set.Tag);
                break;
            case TagRemoved removed:
                message.Tags = Tags(removed.State);
                message.Tags.Removed = removed.Name;
                break;
            case KeyRotated rotated:
                message.Tags = Tags(rotated.State);
                break;
            case Collected collected:
                message.Collected = new CollectedEvent();
                message.Collected.Objects.AddRange(Names(collected.Objects));
                break;
            case RecordsForgotten forgotten:
                message.Forgotten = new ForgottenEvent();
                message.Forgotten.First.AddRange(forgotten.Revisions.Select(r => r.First));
                message.Forgotten.Last.AddRange(forgotten.Revisions.Select(r => r.Last));
                break;
        }

        return message;
    }

    public static ReplicaPosition Position(RepositoryPosition p) => new(
        Math.Max(0, p.Sequence),
        p.Revision,
        Shortened(p.RootHash),
        Math.Max(0, p.MissingBytes),
        Math.Max(0, p.MissingObjects),
        p.CatchingUp,
        Shortened(p.Problem))
    {
        Trouble = Shortened(p.Trouble),
        TroubleAt = Time(p.TroubleAtMs),
    };

    public static ScrubState Scrub(ScrubReport s) => new(
        s.Running,
        Math.Max(0, s.ObjectsChecked),
        Math.Max(0, s.BytesChecked),
        Math.Max(0, s.Damaged),
        Math.Max(0, s.Repaired),
        Time(s.StartedAtMs),
        s.FinishedAtMs > 0 ? Time(s.FinishedAtMs) : null,
        Shortened(s.Problem));

    private static RevisionEvent Revision(Revision r)
    {
        var message = new RevisionEvent
        {
            Head = Head(r.Head),
            SignedManifest = Bytes(r.SignedManifest),
            PathInfoDigest = r.PathInfoDigest,
            DeltaDigest = r.DeltaDigest,
        };
        message.Superseded.AddRange(Names(r.Superseded));
        message.Profiles.AddRange(r.Profiles.Select(p => new ReplicatedProfile { Name = p.Name, Generation = p.Generation, Target = p.Target.Value }));
        return message;
    }

    private static TagsEvent Tags(TagState s)
    {
        var message = new TagsEvent { Head = Head(s.Head), SignedManifest = Bytes(s.SignedManifest) };
        message.Superseded.AddRange(Names(s.Superseded));
        message.Kept.AddRange(Names(s.Kept));
        return message;
    }

    private static ReplicatedHead Head(RevisionHead h)
    {
        var message = new ReplicatedHead
        {
            Revision = h.Revision,
            RootHash = h.RootHash.ToString(),
            RootSize = h.RootSize,
            StoreCatalog = h.StoreCatalog.ToString(),
            StoreCatalogSize = h.StoreCatalogSize,
            History = h.History.ToString(),
            PublishedAtMs = h.PublishedAt.ToUnixTimeMilliseconds(),
            Previous = h.Previous is { } previous ? Tag(previous) : null,
            Paths = h.Paths,
            TaggedAtMs = h.TaggedAt?.ToUnixTimeMilliseconds() ?? 0,
            CommittedHistory = h.CommittedHistory?.ToString() ?? "",
        };
        message.NamedTags.AddRange(h.NamedTags.Select(Tag));
        return message;
    }

    private static ReplicatedTag Tag(RepositoryTag t) => new()
    {
        Name = t.Name,
        RootHash = t.RootHash.ToString(),
        Revision = t.Revision,
        AtMs = t.At.ToUnixTimeMilliseconds(),
        RootSize = t.RootSize,
        Description = t.Description,
        Branch = t.Branch,
        Channel = t.Channel,
    };

    private static IEnumerable<string> Names(IEnumerable<ObjectName> objects) => objects.Select(o => o.ToString());

    private static ByteString Bytes(ReadOnlyMemory<byte> bytes) => ByteString.CopyFrom(bytes.Span);

    private static string Shortened(string text) => text.Length <= ReplicaPosition.ProblemLengthMax ? text : text[..ReplicaPosition.ProblemLengthMax];

    private static DateTimeOffset Time(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, 0, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));
}
