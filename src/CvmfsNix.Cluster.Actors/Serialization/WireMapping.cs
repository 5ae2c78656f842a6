using System.Collections.Immutable;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using Google.Protobuf;
using Cvmfs = CvmfsNix.Cluster.Cvmfs;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>Model records to and from their wire form. Values are checked by the model's own constructors on the way in.</summary>
internal static class WireMapping
{
    public static long Ticks(DateTimeOffset time) => time.UtcTicks;

    public static DateTimeOffset Time(long ticks) => new(ticks, TimeSpan.Zero);

    public static ByteString Id(TransactionId id)
    {
        var bytes = new byte[16];
        id.Value.TryWriteBytes(bytes, bigEndian: true, out _);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    public static TransactionId Id(ByteString bytes) => TransactionId.From(new Guid(bytes.Span, bigEndian: true));

    public static ByteString Digest(RequestDigest digest) => UnsafeByteOperations.UnsafeWrap(digest.ToArray());

    public static RequestDigest Digest(ByteString bytes) => new(bytes.Span);

    public static Wire.SealedTransaction ToWire(SealedTransaction t)
    {
        var wire = new Wire.SealedTransaction
        {
            Id = Id(t.Id),
            Digest = Digest(t.Digest),
            BundleDigest = t.BundleDigest,
            BundleSize = t.BundleSize,
            Paths = t.Paths,
            Builder = t.Builder,
        };
        wire.Stores.AddRange(t.Stores.Select(id => ByteString.CopyFrom(Convert.FromHexString(id))));
        return wire;
    }

    public static SealedTransaction FromWire(Wire.SealedTransaction t) =>
        new(Id(t.Id), Digest(t.Digest), t.BundleDigest, t.BundleSize, t.Paths, t.Builder)
        {
            Stores = [.. t.Stores.Select(id => Convert.ToHexStringLower(id.Span))],
        };

    public static Wire.TransactionOutcome ToWire(TransactionOutcome o)
    {
        var wire = new Wire.TransactionOutcome
        {
            Id = Id(o.Id),
            Status = (int)o.Status,
            Unchanged = o.Unchanged,
            Revision = o.Revision,
            RootHash = o.RootHash,
            PathsNew = o.PathsNew,
            PathsPresent = o.PathsPresent,
            BytesStored = o.BytesStored,
        };
        wire.ContentKept.AddRange(o.ContentKept.Paths);
        if (o.ContentKept.BlobDigest is { } blob)
            wire.ContentKeptBlob = blob;
        if (o.Reason is { } reason)
        {
            wire.Reason = new Wire.Rejection { Code = reason.Code, Message = reason.Message, What = reason.What };
            if (reason.Hint is { } hint)
                wire.Reason.Hint = hint;
        }

        return wire;
    }

    public static TransactionOutcome FromWire(Wire.TransactionOutcome o) => new(
        Id(o.Id),
        (TransactionStatus)o.Status,
        o.Unchanged,
        o.Revision,
        o.RootHash,
        o.PathsNew,
        o.PathsPresent,
        new KeptContent([.. o.ContentKept], o.HasContentKeptBlob ? o.ContentKeptBlob : null),
        o.BytesStored,
        o.Reason is { } r ? new Rejection(r.Code, r.Message, r.What, r.HasHint ? r.Hint : null) : null);

    public static Wire.LedgerSnapshot ToWire(LedgerState s)
    {
        var wire = new Wire.LedgerSnapshot { ForgottenBefore = Ticks(s.ForgottenBefore) };
        wire.Entries.AddRange(s.Entries.Values.OrderBy(e => e.Transaction.Id).Select(e => new Wire.LedgerEntry
        {
            Transaction = ToWire(e.Transaction),
            Outcome = e.Outcome is { } o ? ToWire(o) : null,
        }));
        return wire;
    }

    public static LedgerState FromWire(Wire.LedgerSnapshot s)
    {
        var entries = s.Entries
            .Select(e => new LedgerEntry(FromWire(e.Transaction), e.Outcome is { } o ? FromWire(o) : null))
            .ToImmutableDictionary(e => e.Transaction.Id);
        return new LedgerState
        {
            Entries = entries,
            ForgottenBefore = Time(s.ForgottenBefore),
            Undecided = [.. entries.Values.Where(e => e.Outcome is null).Select(e => e.Transaction.Id)],
        };
    }

    public static Wire.RepositoryDefinition ToWire(RepositoryDefinition d) => new()
    {
        Repository = d.Repository.Value,
        StoreDirectory = d.StoreDirectory.Value,
        HashAlgorithm = (int)d.HashAlgorithm,
        TtlSeconds = d.TtlSeconds,
        NestedMinEntries = d.NestedMinEntries,
        Certificate = d.Certificate.ToString(),
        NixDatabase = d.NixDatabase,
    };

    public static RepositoryDefinition FromWire(Wire.RepositoryDefinition d) => new(
        RepositoryId.Parse(d.Repository),
        StoreDirectory.Parse(d.StoreDirectory),
        (HashAlgorithmId)d.HashAlgorithm,
        d.TtlSeconds,
        d.NestedMinEntries,
        ObjectHash.Parse(d.Certificate))
    {
        NixDatabase = d.NixDatabase,
    };

    public static Wire.Revision ToWire(Revision r)
    {
        var wire = new Wire.Revision
        {
            Head = ToWire(r.Head),
            SignedManifest = ByteString.CopyFrom(r.SignedManifest.Span),
            PathInfoDigest = r.PathInfoDigest,
            DeltaDigest = r.DeltaDigest,
            PathsRemoved = r.PathsRemoved,
        };
        wire.DroppedGenerations.AddRange(r.DroppedGenerations.Select(ToWire));
        wire.Superseded.AddRange(r.Superseded.Select(o => o.ToString()));
        wire.Profiles.AddRange(r.Profiles.Select(ToWire));
        return wire;
    }

    public static Revision FromWire(Wire.Revision r) => new(
        FromWire(r.Head),
        r.SignedManifest.ToByteArray(),
        r.PathInfoDigest,
        r.DeltaDigest,
        [.. r.Superseded.Select(ObjectName.Parse)],
        [.. r.Profiles.Select(FromWire)])
    {
        PathsRemoved = r.PathsRemoved,
        DroppedGenerations = [.. r.DroppedGenerations.Select(FromWire)],
    };

    public static Wire.TagState ToWire(TagState s)
    {
        var wire = new Wire.TagState { Head = ToWire(s.Head), SignedManifest = ByteString.CopyFrom(s.SignedManifest.Span) };
        wire.Superseded.AddRange(s.Superseded.Select(o => o.ToString()));
        wire.Kept.AddRange(s.Kept.Select(o => o.ToString()));
        return wire;
    }

    public static TagState FromWire(Wire.TagState s) => new(
        FromWire(s.Head), s.SignedManifest.ToByteArray(), [.. s.Superseded.Select(ObjectName.Parse)], [.. s.Kept.Select(ObjectName.Parse)]);

    public static Wire.RepositorySnapshot ToWire(RepositoryState s)
    {
        var wire = new Wire.RepositorySnapshot
        {
            Definition = s.Definition is { } d ? ToWire(d) : null,
            Head = s.Head is { } head ? ToWire(head) : null,
            PreviousHead = s.PreviousHead is { } previous ? ToWire(previous) : null,
            Epoch = s.Epoch,
            Leader = s.Leader,
            WhitelistExpiresAt = Ticks(s.WhitelistExpiresAt),
            WhitelistAt = s.WhitelistAt > DateTimeOffset.UnixEpoch ? Ticks(s.WhitelistAt) : 0,
            ToldAt = Ticks(s.ToldAt),
        };
        wire.Unsettled.AddRange(s.Unsettled.Values.OrderBy(o => o.Id).Select(ToWire));
        wire.Profiles.AddRange(s.Profiles.Values.Select(ToWire));
        wire.Superseded.AddRange(s.Superseded.Select(o =>
        {
            var group = new Wire.SupersededObjects { At = Ticks(o.At), Revision = o.Revision };
            group.Objects.AddRange(o.Objects.Select(n => n.ToString()));
            return group;
        }));
        wire.Settled.AddRange(s.SettledAt.Select(g =>
        {
            var group = new Wire.SettledTransactions { At = Ticks(g.At) };
            group.Ids.AddRange(g.Ids.Select(Id));
            return group;
        }));
        RetentionMapping.AddTo(wire, s);
        wire.KeyChanges.AddRange(s.KeyChanges.Select(k => new Wire.SigningKeyChange { Certificate = k.Certificate.ToString(), At = Ticks(k.At) }));
        return wire;
    }

    public static RepositoryState FromWire(Wire.RepositorySnapshot s) => RetentionMapping.With(s, RepositoryState.Empty) with
    {
        Settled = [.. s.Settled.SelectMany(g => g.Ids).Select(Id)],
        SettledAt = [.. s.Settled.Select(g => new SettledTransactions(Time(g.At), [.. g.Ids.Select(Id)]))],
        Definition = s.Definition is { } d ? FromWire(d) : null,
        Head = s.Head is { } head ? FromWire(head) : null,
        PreviousHead = s.PreviousHead is { } previous ? FromWire(previous) : null,
        Epoch = s.Epoch,
        Leader = s.Leader,
        WhitelistExpiresAt = Time(s.WhitelistExpiresAt),
        ToldAt = Time(s.ToldAt),
        Unsettled = s.Unsettled.Select(FromWire).ToImmutableDictionary(o => o.Id),
        Profiles = s.Profiles.Select(FromWire).ToImmutableSortedDictionary(p => p.Name, p => p, StringComparer.Ordinal),
        Superseded = [.. s.Superseded.Select(o => new SupersededObjects(Time(o.At), [.. o.Objects.Select(ObjectName.Parse)], o.Revision))],
        // A snapshot of a version that did not write it down: long ago.
        WhitelistAt = s.WhitelistAt == 0 ? DateTimeOffset.UnixEpoch : Time(s.WhitelistAt),
        KeyChanges = [.. s.KeyChanges.Select(k => new SigningKeyChange(ObjectHash.Parse(k.Certificate), Time(k.At)))],
    };

    public static Wire.RegistrySnapshot ToWire(RegistryState s)
    {
        var wire = new Wire.RegistrySnapshot { Epoch = s.Epoch };
        wire.Repositories.AddRange(s.Repositories.Values.Select(ToWire));
        wire.Certificates.AddRange(s.Certificates.Select(c => new Wire.SigningKeyNoted { Repository = c.Key, Certificate = c.Value.ToString() }));
        return wire;
    }

    public static Wire.SigningKeyNoted ToWire(SigningKeyNoted e) => new() { Repository = e.Repository.Value, Certificate = e.Certificate.ToString(), At = Ticks(e.At) };

    public static SigningKeyNoted FromWire(Wire.SigningKeyNoted w) => new(RepositoryId.Parse(w.Repository), ObjectHash.Parse(w.Certificate), Time(w.At));

    public static RegistryState FromWire(Wire.RegistrySnapshot s) => RegistryState.Empty with
    {
        Epoch = s.Epoch,
        Repositories = s.Repositories.Select(FromWire).ToImmutableSortedDictionary(d => d.Repository.Value, d => d, StringComparer.Ordinal),
        Certificates = s.Certificates.ToImmutableSortedDictionary(c => c.Repository, c => ObjectHash.Parse(c.Certificate), StringComparer.Ordinal),
    };

    public static Wire.WriterStatus ToWire(RepositoryProtocol.WriterStatus s) => new()
    {
        Repository = s.Repository.Value,
        SequenceNumber = s.SequenceNumber,
        Revision = s.Revision,
        RootHash = s.RootHash,
        PublishedAt = Ticks(s.PublishedAt),
        Paths = s.Paths,
        WhitelistExpiresAt = Ticks(s.WhitelistExpiresAt),
        Queued = s.Queued,
        InFlight = s.InFlight,
        Problem = s.Problem,
        ProblemCode = s.ProblemCode,
        Warning = s.Warning,
    };

    public static RepositoryProtocol.WriterStatus FromWire(Wire.WriterStatus s) => new(
        RepositoryId.Parse(s.Repository),
        s.SequenceNumber,
        s.Revision,
        s.RootHash,
        Time(s.PublishedAt),
        s.Paths,
        Time(s.WhitelistExpiresAt),
        s.Queued,
        s.InFlight,
        s.Problem,
        s.ProblemCode,
        s.Warning);

    public static Wire.RepositoryTag ToWire(Cvmfs.Tags.RepositoryTag t) => new()
    {
        Name = t.Name,
        RootHash = t.RootHash.ToString(),
        Revision = t.Revision,
        At = Ticks(t.At),
        RootSize = t.RootSize,
        Description = t.Description,
        Branch = t.Branch,
        Channel = t.Channel,
    };

    public static Cvmfs.Tags.RepositoryTag FromWire(Wire.RepositoryTag t) =>
        new(t.Name, ObjectHash.Parse(t.RootHash), t.Revision, Time(t.At), t.RootSize, t.Description, t.Branch, t.Channel);

    private static Wire.RevisionHead ToWire(RevisionHead h)
    {
        var wire = new Wire.RevisionHead
        {
            Revision = h.Revision,
            RootHash = h.RootHash.ToString(),
            RootSize = h.RootSize,
            StoreCatalog = h.StoreCatalog.ToString(),
            StoreCatalogSize = h.StoreCatalogSize,
            History = h.History.ToString(),
            PublishedAt = Ticks(h.PublishedAt),
            Previous = h.Previous is { } previous ? ToWire(previous) : null,
            Paths = h.Paths,
            ContinueAfter = h.ContinueAfter,
        };
        wire.NamedTags.AddRange(h.NamedTags.Select(ToWire));
        if (h.TaggedAt is { } taggedAt)
            wire.TaggedAt = Ticks(taggedAt);
        if (h.CommittedHistory is { } committed)
            wire.CommittedHistory = committed.ToString();
        return wire;
    }

    private static RevisionHead FromWire(Wire.RevisionHead h) => new()
    {
        Revision = h.Revision,
        RootHash = ObjectHash.Parse(h.RootHash),
        RootSize = h.RootSize,
        StoreCatalog = ObjectHash.Parse(h.StoreCatalog),
        StoreCatalogSize = h.StoreCatalogSize,
        History = ObjectHash.Parse(h.History),
        PublishedAt = Time(h.PublishedAt),
        Previous = h.Previous is { } previous ? FromWire(previous) : null,
        NamedTags = [.. h.NamedTags.Select(FromWire)],
        Paths = h.Paths,
        TaggedAt = h.HasTaggedAt ? Time(h.TaggedAt) : null,
        CommittedHistory = h.HasCommittedHistory ? ObjectHash.Parse(h.CommittedHistory) : null,
        ContinueAfter = h.ContinueAfter,
    };

    public static Wire.ProfileGeneration ToWire(ProfileGenerationRecord p) => new() { Name = p.Name, Generation = p.Generation, Target = p.Target.Value };

    public static ProfileGenerationRecord FromWire(Wire.ProfileGeneration p) => new(p.Name, p.Generation, StorePathName.Parse(p.Target));
}
