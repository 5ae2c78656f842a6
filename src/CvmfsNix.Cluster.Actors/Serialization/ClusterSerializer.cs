using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using Google.Protobuf;
using static CvmfsNix.Cluster.Actors.Serialization.WireMapping;
using static CvmfsNix.Cluster.Model.Copies.StoreProtocol;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Actors.Serialization;

/// <summary>
/// Everything actors persist or send, as protobuf under manifests of our own: a renamed class breaks no journal.
/// A manifest is never reused for another message. An unknown one throws: an event that is skipped is a history that is wrong.
/// </summary>
public sealed partial class ClusterSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>The number journal rows carry.</summary>
    public const int SerializerId = 1001;

    private sealed record Rule(string Manifest, Type Type, Func<object, IMessage> Write, Func<byte[], object> Read);

    private static readonly Rule[] Rules =
    [
        // Ledger events and snapshot.
        Of<TransactionSealed, Wire.TransactionSealed>("ts", e => new() { Transaction = ToWire(e.Transaction), At = Ticks(e.At) }, w => new(FromWire(w.Transaction), Time(w.At))),
        Of<TransactionDecided, Wire.TransactionDecided>("td", e => new() { Outcome = ToWire(e.Outcome), At = Ticks(e.At) }, w => new(FromWire(w.Outcome), Time(w.At))),
        Of<TransactionConcluded, Wire.TransactionConcluded>(
            "tc", e => new() { Transaction = ToWire(e.Transaction), Outcome = ToWire(e.Outcome), At = Ticks(e.At) }, w => new(FromWire(w.Transaction), FromWire(w.Outcome), Time(w.At))),
        Of<TransactionsForgotten, Wire.TransactionsForgotten>("tf", e => new() { CreatedBefore = Ticks(e.CreatedBefore) }, w => new(Time(w.CreatedBefore))),
        Of<LedgerState, Wire.LedgerSnapshot>("tls", ToWire, FromWire),

        // Repository events and snapshot.
        Of<RepositoryCreated, Wire.RepositoryCreated>(
            "rc",
            e => new()
            {
                Definition = ToWire(e.Definition),
                Whitelist = ByteString.CopyFrom(e.Whitelist.Span),
                WhitelistExpiresAt = Ticks(e.WhitelistExpiresAt),
                Initial = ToWire(e.Initial),
                At = Ticks(e.At),
            },
            w => new(FromWire(w.Definition), w.Whitelist.ToByteArray(), Time(w.WhitelistExpiresAt), FromWire(w.Initial), Time(w.At))),
        Of<LeaderStarted, Wire.LeaderStarted>("ls", e => new() { Epoch = e.Epoch, Node = e.Node, At = Ticks(e.At) }, w => new(w.Epoch, w.Node, Time(w.At))),
        Of<RevisionCommitted, Wire.RevisionCommitted>("rr", ToWireCommitted, w => new(FromWire(w.Revision), [.. w.Outcomes.Select(FromWire)], [.. w.Settled.Select(Id)], Time(w.At))),
        Of<TransactionsDecided, Wire.TransactionsDecided>("rd", ToWireDecided, w => new([.. w.Outcomes.Select(FromWire)], [.. w.Settled.Select(Id)], Time(w.At))),
        Of<WhitelistRenewed, Wire.WhitelistRenewed>(
            "rw",
            e => new() { Whitelist = ByteString.CopyFrom(e.Whitelist.Span), ExpiresAt = Ticks(e.ExpiresAt), At = Ticks(e.At) },
            w => new(w.Whitelist.ToByteArray(), Time(w.ExpiresAt), Time(w.At))),
        Of<Collected, Wire.Collected>("rg", ToWireCollected, w => new([.. w.Objects.Select(ObjectName.Parse)], Time(w.At))),
        Of<TagSet, Wire.TagSet>("rt", e => new() { Tag = ToWire(e.Tag), State = ToWire(e.State), At = Ticks(e.At) }, w => new(FromWire(w.Tag), FromWire(w.State), Time(w.At))),
        Of<TagRemoved, Wire.TagRemoved>("ru", e => new() { Name = e.Name, State = ToWire(e.State), At = Ticks(e.At) }, w => new(w.Name, FromWire(w.State), Time(w.At))),
        Of<KeyRotated, Wire.KeyRotated>(
            "ry",
            e => new() { Certificate = e.Certificate.ToString(), Pem = ByteString.CopyFrom(e.Pem.Span), State = ToWire(e.State), By = e.By, At = Ticks(e.At) },
            w => new(ObjectHash.Parse(w.Certificate), w.Pem.ToByteArray(), FromWire(w.State), w.By, Time(w.At))),
        Of<RepositoryContinued, Wire.RepositoryContinued>(
            "rk",
            e => new() { Revision = e.Revision, After = e.After, At = Ticks(e.At), GivenUp = { e.GivenUp.Select(d => ByteString.CopyFrom(Convert.FromHexString(d))) } },
            w => new(w.Revision, w.After, Time(w.At), [.. w.GivenUp.Select(d => Convert.ToHexStringLower(d.Span))])),
        Of<RepositoryState, Wire.RepositorySnapshot>("rss", ToWire, FromWire),

        // Leadership events and snapshot.
        Of<LeadershipTaken, Wire.LeadershipTaken>("gl", e => new() { Epoch = e.Epoch, Node = e.Node, At = Ticks(e.At) }, w => new(w.Epoch, w.Node, Time(w.At))),
        Of<RepositoryRegistered, Wire.RepositoryRegistered>("gr", e => new() { Definition = ToWire(e.Definition), At = Ticks(e.At) }, w => new(FromWire(w.Definition), Time(w.At))),
        Of<SigningKeyNoted, Wire.SigningKeyNoted>("gk", ToWire, FromWire),
        Of<RegistryState, Wire.RegistrySnapshot>("gss", ToWire, FromWire),

        // A mirror's events and snapshot.
        Of<MirrorPinned, Wire.MirrorPinned>("xp", MirrorMapping.ToWire, MirrorMapping.FromWire),
        Of<MirrorApplied, Wire.MirrorApplied>("xa", MirrorMapping.ToWire, MirrorMapping.FromWire),
        Of<MirrorDropped, Wire.MirrorDropped>("xd", MirrorMapping.ToWire, MirrorMapping.FromWire),
        Of<MirrorState, Wire.MirrorSnapshot>("xss", MirrorMapping.ToWire, MirrorMapping.FromWire),

        // Messages to a ledger.
        Of<Begin, Wire.LedgerMessage>("lb", m => new() { Repository = m.Repository.Value, Id = Id(m.Id), Digest = Digest(m.Digest), Register = m.Register }, w => new(RepositoryId.Parse(w.Repository), Id(w.Id), Digest(w.Digest), w.Register)),
        Of<Seal, Wire.LedgerMessage>("lse", m => new() { Repository = m.Repository.Value, Transaction = ToWire(m.Transaction) }, w => new(RepositoryId.Parse(w.Repository), FromWire(w.Transaction))),
        Of<Conclude, Wire.LedgerMessage>(
            "lc", m => new() { Repository = m.Repository.Value, Transaction = ToWire(m.Transaction), Outcome = ToWire(m.Outcome) }, w => new(RepositoryId.Parse(w.Repository), FromWire(w.Transaction), FromWire(w.Outcome))),
        Of<Abort, Wire.LedgerMessage>("la", m => new() { Repository = m.Repository.Value, Id = Id(m.Id) }, w => new(RepositoryId.Parse(w.Repository), Id(w.Id))),
        Of<GetTransaction, Wire.LedgerMessage>("lg", m => new() { Repository = m.Repository.Value, Id = Id(m.Id) }, w => new(RepositoryId.Parse(w.Repository), Id(w.Id))),
        Of<Decide, Wire.LedgerMessage>("ld", m => new() { Repository = m.Repository.Value, Outcome = ToWire(m.Outcome) }, w => new(RepositoryId.Parse(w.Repository), FromWire(w.Outcome))),
        Of<OfferSealed, Wire.LedgerMessage>("lo", m => new() { Repository = m.Repository.Value, Bucket = m.Bucket }, w => new(RepositoryId.Parse(w.Repository), w.Bucket)),
        Of<JournalEnd, Wire.LedgerMessage>("le", m => new() { Repository = m.Repository.Value, Bucket = m.Bucket, SequenceNumber = m.SequenceNumber }, w => new(RepositoryId.Parse(w.Repository), w.Bucket, w.SequenceNumber)),
        Of<AlreadySettled, Wire.LedgerMessage>("lx", m => new() { Repository = m.Repository.Value, Id = Id(m.Id) }, w => new(RepositoryId.Parse(w.Repository), Id(w.Id))),
        Of<WriterBusy, Wire.LedgerMessage>("lw", m => new() { Repository = m.Repository.Value, Bucket = m.Bucket, RetryAfter = m.RetryAfter.Ticks }, w => new(RepositoryId.Parse(w.Repository), w.Bucket, new TimeSpan(w.RetryAfter))),

        // What an actor holds.
        Of<GetLedgerState, Wire.LedgerMessage>("ql", m => new() { Repository = m.Repository.Value, Bucket = m.Bucket }, w => new(RepositoryId.Parse(w.Repository), w.Bucket)),
        Of<GetWriterState, Wire.LedgerMessage>("qw", m => new() { Repository = m.Repository.Value }, w => new(RepositoryId.Parse(w.Repository))),
        Of<StateIs, Wire.StateIs>("qs", m => new() { Node = m.Node, SequenceNumber = m.SequenceNumber, Digest = m.Digest }, w => new(w.Node, w.SequenceNumber, w.Digest)),

        // Messages to the writer.
        Of<Enqueue, Wire.Enqueue>("we", ToWireEnqueue, w => new(RepositoryId.Parse(w.Repository), w.Bucket, [.. w.Transactions.Select(FromWire)])),
        Of<Settled, Wire.LedgerMessage>("ws", m => new() { Repository = m.Repository.Value, Id = Id(m.Id) }, w => new(RepositoryId.Parse(w.Repository), Id(w.Id))),

        // A ledger's answers.
        Of<Opened, Wire.Empty>("ao", _ => new(), _ => new()),
        Of<Waiting, Wire.LedgerReply>("aw", m => new() { Id = Id(m.Id) }, w => new(Id(w.Id))),
        Of<Decided, Wire.LedgerReply>("ad", m => new() { Outcome = ToWire(m.Outcome) }, w => new(FromWire(w.Outcome))),
        Of<NotSealed, Wire.LedgerReply>("an", m => new() { Id = Id(m.Id), Status = (int)m.Status }, w => new(Id(w.Id), (TransactionStatus)w.Status)),
        Of<Unknown, Wire.LedgerReply>("au", m => new() { Id = Id(m.Id) }, w => new(Id(w.Id))),
        Of<Aborted, Wire.LedgerReply>("aa", m => new() { Id = Id(m.Id) }, w => new(Id(w.Id))),
        Of<TooLateToAbort, Wire.LedgerReply>("al", m => new() { Id = Id(m.Id) }, w => new(Id(w.Id))),
        Of<IdReused, Wire.LedgerReply>("ar", m => new() { Id = Id(m.Id) }, w => new(Id(w.Id))),
        Of<TooOld, Wire.LedgerReply>("at", m => new() { Id = Id(m.Id), Time = Ticks(m.OldestAccepted) }, w => new(Id(w.Id), Time(w.Time))),
        Of<FromTheFuture, Wire.LedgerReply>("af", m => new() { Id = Id(m.Id), Time = Ticks(m.NewestAccepted) }, w => new(Id(w.Id), Time(w.Time))),
        Of<Overloaded, Wire.LedgerReply>("av", m => new() { Id = Id(m.Id), RetryAfter = m.RetryAfter.Ticks }, w => new(Id(w.Id), new TimeSpan(w.RetryAfter))),

        // The leader and what it tells everyone.
        Of<CreateRepository, Wire.CreateRepository>(
            "cr",
            m => new() { Repository = m.Definition.Repository.Value, StoreDirectory = m.Definition.StoreDirectory, HashAlgorithm = m.Definition.HashAlgorithm, NixDatabase = m.Definition.NixDatabase },
            w => new(new RepositoryDefinitionRequest(RepositoryId.Parse(w.Repository), w.StoreDirectory, w.HashAlgorithm) { NixDatabase = w.NixDatabase })),
        Of<CreatedRepository, Wire.WriterStatus>("cd", m => ToWire(m.Status), w => new(FromWire(w))),
        Of<Failed, Wire.Failed>("cf", m => new() { Code = m.Code, Message = m.Message, What = m.What, Hint = m.Hint }, w => new(w.Code, w.Message, w.What, w.Hint)),
        Of<SetTag, Wire.TagRequest>(
            "ct",
            m => new() { Repository = m.Repository.Value, Name = m.Name, Revision = m.Revision, Description = m.Description },
            w => new(RepositoryId.Parse(w.Repository), w.Name, w.Revision, w.Description)),
        Of<RemoveTag, Wire.TagRequest>("cx", m => new() { Repository = m.Repository.Value, Name = m.Name }, w => new(RepositoryId.Parse(w.Repository), w.Name)),
        Of<TagIs, Wire.TagIs>("ci", m => new() { Tag = ToWire(m.Tag), Changed = m.Changed, SequenceNumber = m.SequenceNumber }, w => new(FromWire(w.Tag), w.Changed, w.SequenceNumber)),
        Of<GetLeaderStatus, Wire.Empty>("cg", _ => new(), _ => new()),
        Of<LeaderStatus, Wire.LeaderStatus>("cs", ToWireStatus, w => new(w.Epoch, w.Node, [.. w.Writers.Select(FromWire)])),
        Of<HeadMoved, Wire.HeadMoved>("nh", m => new() { Repository = m.Repository.Value, SequenceNumber = m.SequenceNumber, Revision = m.Revision }, w => new(RepositoryId.Parse(w.Repository), w.SequenceNumber, w.Revision)),
        Of<AskStore, Wire.Empty>("sa", _ => new(), _ => new()),
        Of<StoreIs, Wire.Store>(
            "si",
            m => new() { Id = m.Store.Id, Address = m.Store.Address, Url = m.Store.Url, Site = m.Store.Site, Incarnation = m.Incarnation },
            w => new(new StoreMember(w.Id, w.Address, w.Url, w.Site), w.Incarnation)),
        Of<RegistryChanged, Wire.RegistryChanged>("nr", m => new() { SequenceNumber = m.SequenceNumber }, w => new(w.SequenceNumber)),
        .. ReplicaRules(),
        .. AdministrationRules(),
        .. RetentionRuleList(),
    ];

    private static readonly Dictionary<string, Rule> ByManifest = Rules.ToDictionary(r => r.Manifest, StringComparer.Ordinal);
    private static readonly Dictionary<Type, Rule> ByType = Rules.ToDictionary(r => r.Type);

    /// <summary>Every message type it writes; each is bound to it by its concrete type.</summary>
    public static IEnumerable<Type> Types => Rules.Select(r => r.Type);

    public override int Identifier => SerializerId;

    public override string Manifest(object o) => RuleOf(o).Manifest;

    public override byte[] ToBinary(object obj) => Bytes(obj);

    /// <exception cref="SerializationException">The manifest is not known here, or the bytes are not its message.</exception>
    public override object FromBinary(byte[] bytes, string manifest) => Read(bytes, manifest);

    /// <summary>What journal rows hold, for whoever reads them without an actor system.</summary>
    /// <exception cref="SerializationException">The manifest is not known here, or the bytes are not its message.</exception>
    internal static object Read(byte[] bytes, string manifest)
    {
        if (!ByManifest.TryGetValue(manifest, out var rule))
            throw new SerializationException($"The manifest '{manifest}' is not known to this version. A newer node wrote it: upgrade this one.");
        try
        {
            return rule.Read(bytes);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or FormatException or ArgumentException or NullReferenceException)
        {
            throw new SerializationException($"{bytes.Length} bytes with the manifest '{manifest}' are no {rule.Type.Name}: {e.Message}", e);
        }
    }

    /// <summary>The bytes an event has in the journal.</summary>
    internal static byte[] Bytes(object message) => RuleOf(message).Write(message).ToByteArray();

    /// <summary>The manifest a message has in the journal.</summary>
    internal static string ManifestOf(object message) => RuleOf(message).Manifest;

    /// <summary>What stores archive of an event they have applied: enough to bring it back into a journal that lost it.</summary>
    internal static byte[] Archived(object message) =>
        new Wire.ArchivedEvent { Manifest = ManifestOf(message), Event = ByteString.CopyFrom(Bytes(message)) }.ToByteArray();

    /// <summary>An archived event and its bytes in the journal; null when it is none.</summary>
    internal static (object Event, byte[] Bytes)? ReadArchived(ReadOnlySpan<byte> archived)
    {
        try
        {
            var wire = Wire.ArchivedEvent.Parser.ParseFrom(archived);
            return ByManifest.ContainsKey(wire.Manifest) ? (Read(wire.Event.ToByteArray(), wire.Manifest), wire.Event.ToByteArray()) : null;
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or SerializationException)
        {
            return null;
        }
    }

    private static Rule RuleOf(object o) =>
        ByType.GetValueOrDefault(o.GetType()) ?? throw new SerializationException($"{o.GetType()} has no wire form.");

    private static Rule Of<TModel, TWire>(string manifest, Func<TModel, TWire> write, Func<TWire, TModel> read)
        where TModel : notnull
        where TWire : IMessage<TWire>, new()
    {
        var parser = new MessageParser<TWire>(() => new TWire());
        return new Rule(manifest, typeof(TModel), o => write((TModel)o), bytes => read(parser.ParseFrom(bytes)));
    }

    private static Wire.RevisionCommitted ToWireCommitted(RevisionCommitted e)
    {
        var wire = new Wire.RevisionCommitted { Revision = ToWire(e.Revision), At = Ticks(e.At) };
        wire.Outcomes.AddRange(e.Outcomes.Select(ToWire));
        wire.Settled.AddRange(e.Settled.Select(Id));
        return wire;
    }

    private static Wire.TransactionsDecided ToWireDecided(TransactionsDecided e)
    {
        var wire = new Wire.TransactionsDecided { At = Ticks(e.At) };
        wire.Outcomes.AddRange(e.Outcomes.Select(ToWire));
        wire.Settled.AddRange(e.Settled.Select(Id));
        return wire;
    }

    private static Wire.Collected ToWireCollected(Collected e)
    {
        var wire = new Wire.Collected { At = Ticks(e.At) };
        wire.Objects.AddRange(e.Objects.Select(o => o.ToString()));
        return wire;
    }

    private static Wire.Enqueue ToWireEnqueue(Enqueue m)
    {
        var wire = new Wire.Enqueue { Repository = m.Repository.Value, Bucket = m.Bucket };
        wire.Transactions.AddRange(m.Transactions.Select(ToWire));
        return wire;
    }

    private static Wire.LeaderStatus ToWireStatus(LeaderStatus m)
    {
        var wire = new Wire.LeaderStatus { Epoch = m.Epoch, Node = m.Node };
        wire.Writers.AddRange(m.Writers.Select(ToWire));
        return wire;
    }
}
