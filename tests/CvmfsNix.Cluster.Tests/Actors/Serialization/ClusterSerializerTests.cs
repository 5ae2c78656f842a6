using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Store.Repositories;
using System.Runtime.Serialization;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Serialization;
using Wire = CvmfsNix.Cluster.Actors.Serialization.Wire;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Retention;
using static CvmfsNix.Cluster.Model.Retention.RetentionProtocol;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit;
using Google.Protobuf;
using Xunit;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;
using static CvmfsNix.Cluster.Model.Copies.StoreProtocol;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;
using static CvmfsNix.Cluster.Model.Replicas.ReplicaProtocol;
using static CvmfsNix.Cluster.Model.Repositories.RepositoryProtocol;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Tests.Actors.Serialization;

public sealed class ClusterSerializerTests
{
    private static readonly DateTimeOffset At = new(2026, 2, 3, 4, 5, 6, 789, TimeSpan.Zero);
    private static readonly RepositoryId Repository = RepositoryId.Parse("test.example.org");
    private static readonly TransactionId Id = TransactionId.Create(At);
    private static readonly TransactionId Other = TransactionId.Create(At);
    private static readonly SealedTransaction Sealed = new(Id, TestNode.Digest("request"), new string('a', 64), 12, 3, "builder") { Stores = [new string('1', 32), new string('f', 32)] };

    private static readonly TransactionOutcome Outcome = new(
        Id, TransactionStatus.Rejected, true, 7, "aa", 1, 2, new KeptContent(["x", "y"], null), 99, new Rejection("Code", "message", "what", null));

    private static readonly TransactionOutcome InBlob = Outcome with { Id = Other, Status = TransactionStatus.Committed, ContentKept = new KeptContent([], "digest"), Reason = new Rejection("C", "m", "w", "hint") };
    private static readonly ObjectName Object = new(Fake.Hash("o"), ObjectKind.Catalog);
    private static readonly RepositoryTag Tag = new("v1", Fake.Hash("t"), 3, At, 4, "text", "branch", 5);
    private static readonly RevisionHead Head = Fake.Revision(7, At, null, ["a"]).Head with { Previous = Tag, NamedTags = [Tag, Tag with { Name = "v2" }] };
    private static readonly TagState Tags = new(Head with { TaggedAt = At, CommittedHistory = Fake.Hash("committed") }, new byte[] { 3, 4 }, [Object], [Object, Object]);
    private static readonly ProfileGenerationRecord Profile = new("p", 2, StorePathName.Parse(new string('0', 32) + "-hello"));
    private static readonly Revision Revision = new(Head, new byte[] { 1, 2 }, "infos", "delta", [Object], [Profile]);
    private static readonly RepositoryDefinition Definition = new(Repository, StoreDirectory.Default, HashAlgorithmId.Shake128, 240, 8, Fake.Hash("x"));
    private static readonly WriterStatus Writer = new(Repository, 9, 7, "aa", At, 5, At, 1, 2, "problem");

    private static readonly ReplicaKey Key = new(Repository, ReplicaId.Parse("mirror-1"));
    private static readonly Guid Session = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly ReplicaPosition Position = new(9, 7, "aa", 1, 2, true, "problem") { Trouble = "trouble", TroubleAt = DateTimeOffset.FromUnixTimeMilliseconds(1_769_860_800_123) };
    private static readonly ScrubState Scrubbed = new(false, 1, 2, 3, 4, At, At, "p");
    private static readonly ReplicaSummary Summary = new(Key, true, "geneva", "http://m:1", true, true, At, At, Position, Scrubbed with { FinishedAt = null });

    private static readonly object[] Messages =
    [
        new TransactionSealed(Sealed, At), new TransactionDecided(Outcome, At), new TransactionsForgotten(At), new TransactionConcluded(Sealed, Outcome, At), new Conclude(Repository, Sealed, Outcome),
        new RepositoryCreated(Definition, new byte[] { 5 }, At, Revision, At), new LeaderStarted(3, "node", At), new RevisionCommitted(Revision, [Outcome, InBlob], [Other], At),
        new TransactionsDecided([Outcome], [Other], At), new WhitelistRenewed(new byte[] { 6 }, At, At), new Collected([Object], At),
        new TagSet(Tag, Tags, At), new TagRemoved("v1", Tags with { Superseded = [] }, At), new SetTag(Repository, "v1", 7, "text"), new RemoveTag(Repository, "v1"), new TagIs(Tag, true, 9),
        new LeadershipTaken(4, "node", At), new RepositoryRegistered(Definition, At), Rotated, new SigningKeyNoted(Repository, Rotated.Certificate, At),
        new RotateKey(Repository, "me", TimeSpan.FromSeconds(120)), new KeyRotationIs(KeyRotationStage.Signing, At, "AB:CD", 13),
        new Begin(Repository, Id, Sealed.Digest, true), new Seal(Repository, Sealed), new Abort(Repository, Id), new GetTransaction(Repository, Id), new Decide(Repository, InBlob),
        new OfferSealed(Repository, 63), new JournalEnd(Repository, 62, 1L << 40), new AlreadySettled(Repository, Id), new WriterBusy(Repository, 5, TimeSpan.FromSeconds(1.5)), new Enqueue(Repository, 6, [Sealed, Sealed]), new Settled(Repository, Id),
        new Opened(), new Waiting(Id), new Decided(Outcome), new NotSealed(Id, TransactionStatus.Expired), new Unknown(Id), new Aborted(Id), new TooLateToAbort(Id), new IdReused(Id),
        new TooOld(Id, At), new FromTheFuture(Id, At), new Overloaded(Id, TimeSpan.FromSeconds(2)),
        new CreateRepository(new RepositoryDefinitionRequest(Repository, "/nix/store", "sha1")), new CreatedRepository(Writer), new Failed("c", "m", "w", "h"), new GetLeaderStatus(),
        new LeaderStatus(3, "node", [Writer, Writer]), new HeadMoved(Repository, 4, 5), new RegistryChanged(6),
        new ReplicaRegistered("geneva", At), new ReplicaPaused(At), new ReplicaResumed(At), new ReplicaRemoved(At), new ReplicaSeen(Position, At),
        new ReplicaListed(Key.Replica, At), new ReplicaUnlisted(Key.Replica, At),
        new Connect(Key, Session, "geneva", "http://m:1", Position), new Report(Key, Session, "u", Position), new ReportScrub(Key, Session, Scrubbed),
        new Disconnect(Key, Session), new GetReplica(Key), new Pause(Key), new Resume(Key), new Remove(Key), new Scrub(Key, 5), new SiblingsAre(Key, ["a", "b"]),
        new ReplicaIs(Summary, true), new Listed(Key), new ListReplicas(Repository, "a"), new ReplicaList(Repository, [Summary, Summary with { Scrub = null }], true),
        new AwaitReplicas(Repository, 7, ReplicaCondition.All, TimeSpan.FromSeconds(3)), new ReplicaWaitIs(new ReplicaWait(true, [Summary], [Summary with { Paused = true }])),
        new Connected(Key, Session, true), new PausedIs(Key, true), new ScrubWanted(Key, 6), new Forgotten(Key), new NotRegistered(Key), new SessionSuperseded(Key, Session),
        new GetLedgerState(Repository, 62), new GetWriterState(Repository), new StateIs("node", 7, "digest"),
        new ListTransactions(Repository, 63, 20), new TransactionsAre(63, [new ListedTransaction(Sealed, TransactionStatus.Rejected, Outcome), new ListedTransaction(Sealed with { Stores = [] }, TransactionStatus.Sealed, null)]),
        new GetQueue(Repository), new QueueIs([new WaitingTransaction(Sealed, At, 2, "deferred")]), new Resign("why"), new Resigning(4, "node"),
        new RenewWhitelist(Repository), new WhitelistIs(At, 12),
        new AskStore(), new StoreIs(new StoreMember("id", "address", "url", "site"), -7),
        Pinned, Withdrawal, new RetentionSet(Rules, "me", At), new RemovalsExpired(7, At), new RecordsForgotten(RevisionSet.Of([2, 3, 9]), At), new RepositoryContinued(7, 1007, At, [new string('a', 64), new string('b', 64)]),
        new SetRetention(Repository, Rules, "me"), new PinPaths(Repository, [Head1], At, "me"), new WithdrawPath(Repository, Head1, "bad", "me"), new RemovePaths(Repository, "me"),
        new RollBack(Repository, 7, "v1", "me"), new RolledBack(3, 9, "ab", 12, 4, 5, [Head1], 6),
        new GetRetention(Repository, 100), Removal,
        new RetentionIs(Rules, [new ProfileGenerationRecord("p", 3, Head1)], [new PathPin(Head1, At, "me")], [new Tombstone(Head1, "bad", "me", At)], [new RemovedPaths(5, At, "digest", 9)], 4, Removal, 8, true),
    ];

    private static StorePathName Head1 => StorePathName.Create(new byte[20], "head");

    private static RetentionRules Rules => new(true, 5, TimeSpan.FromDays(2), true);

    private static PathsPinned Pinned => new([Head1], At.AddDays(1), "me", At);

    private static KeyRotated Rotated => new(Head.RootHash, new byte[] { 9, 8 }, Tags, "me", At);

    private static PathWithdrawn Withdrawal => new(Head1, "bad", "me", At);

    private static RemovalIs Removal => new(true, 1, 2, At, At.AddSeconds(1), "problem", 5, 6, [Head1], 7);

    private static MirrorApplied Mirrored => new(
        9, 8, 7, "root", [new RevisionRecords(7, 6, new string('a', 64), new string('b', 64))], [new ObjectName(Definition.Certificate, ObjectKind.Catalog)], At) { Forgotten = RevisionSet.Of([3, 4]) };

    private static readonly object[] Snapshots =
    [
        LedgerState.Empty.Apply(new TransactionSealed(Sealed, At)).Apply(new TransactionDecided(Outcome, At)).Apply(new TransactionSealed(Sealed with { Id = Other }, At)),
        RepositoryState.Empty.Apply(new RepositoryCreated(Definition, new byte[] { 5 }, At, Revision, At)).Apply(new LeaderStarted(3, "n", At))
            .Apply(new RevisionCommitted(Revision with { Head = Head with { Revision = 8 } }, [Outcome, InBlob], [], At)).Apply(new TransactionsDecided([], [Other], At))
            .Apply(new TagSet(Tag, Tags with { Head = Tags.Head with { Revision = 8 }, Kept = [] }, At)).Apply(Pinned).Apply(Withdrawal)
            .Apply(new RevisionCommitted(Revision with { Head = Head with { Revision = 9 }, PathsRemoved = 4 }, [], [], At)).Apply(new RepositoryContinued(9, 1009, At, [])).Apply(new RemovalsExpired(3, At)).Apply(new RecordsForgotten(RevisionSet.Of([2, 3]), At)).Apply(new RetentionSet(Rules, "me", At))
            .Apply(Rotated with { State = Tags with { Head = Tags.Head with { Revision = 9 } } }).Apply(new WhitelistRenewed(new byte[] { 6 }, At, At)),
        RegistryState.Empty.Apply(new LeadershipTaken(4, "n", At)).Apply(new RepositoryRegistered(Definition, At)).Apply(new SigningKeyNoted(Repository, Rotated.Certificate, At)),
        ReplicaState.Empty.Apply(new ReplicaRegistered("geneva", At)).Apply(new ReplicaPaused(At)).Apply(new ReplicaSeen(Position, At)),
        DirectoryState.Empty.Apply(new ReplicaListed(Key.Replica, At)).Apply(new ReplicaListed(ReplicaId.Parse("a"), At)),
        Mirrored,
        new MirrorPinned(Definition, "pem", At),
        new MirrorDropped(At),
        MirrorState.Empty.Apply(new MirrorPinned(Definition, "pem", At)).Apply(Mirrored),
    ];

    private readonly ClusterSerializer _serializer = new((ExtendedActorSystem)null!);

    [Fact]
    public void Every_message_survives_the_wire()
    {
        foreach (var message in Messages)
            Assert.Equal(message, _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message)));
    }

    [Fact]
    public void A_sign_of_life_without_a_position_survives_the_wire()
    {
        var alive = new Report(Key, Session, "", null);
        Assert.Equal(alive, _serializer.FromBinary(_serializer.ToBinary(alive), _serializer.Manifest(alive)));
    }

    [Fact]
    public void Every_snapshot_survives_the_journal()
    {
        foreach (var state in Snapshots)
        {
            var bytes = _serializer.ToBinary(state);
            var read = _serializer.FromBinary(bytes, _serializer.Manifest(state));
            Assert.Equivalent(state, read, strict: true);
            Assert.Equal(bytes, _serializer.ToBinary(read));
        }
    }

    [Fact]
    public void No_bound_type_lacks_a_round_trip()
    {
        Assert.Equal(ClusterSerializer.Types.ToHashSet(), Messages.Concat(Snapshots).Select(m => m.GetType()).ToHashSet());
    }

    [Fact]
    public void Manifests_are_short_and_distinct()
    {
        var manifests = Messages.Concat(Snapshots).Select(_serializer.Manifest).ToList();
        Assert.All(manifests, m => Assert.InRange(m.Length, 2, 3));
        Assert.Equal(manifests.Count, manifests.Distinct().Count());
    }

    [Fact]
    public void An_unknown_manifest_and_torn_bytes_are_errors()
    {
        Assert.Throws<SerializationException>(() => _serializer.FromBinary([], "zz"));
        Assert.Throws<SerializationException>(() => _serializer.FromBinary([1, 2, 3], "ts"));
        Assert.Throws<SerializationException>(() => _serializer.FromBinary([], "ts"));
    }

    [Fact]
    public void What_a_version_without_tags_wrote_is_still_read()
    {
        // Without the fields that came later: absent, not empty.
        var head = new Wire.RevisionHead { Revision = 7, RootHash = Head.RootHash.ToString(), RootSize = 1, StoreCatalog = Head.StoreCatalog.ToString(), StoreCatalogSize = 2, History = Head.History.ToString(), PublishedAt = At.UtcTicks };
        var group = new Wire.SupersededObjects { At = At.UtcTicks };
        group.Objects.Add(Object.ToString());
        var snapshot = new Wire.RepositorySnapshot { Head = head };
        snapshot.Superseded.Add(group);
        var read = (RepositoryState)_serializer.FromBinary(snapshot.ToByteArray(), "rss");
        Assert.Equal((7UL, null, null), (read.Head!.Revision, read.Head.TaggedAt, read.Head.CommittedHistory));
        Assert.Equal(new SupersededObjects(At, [Object], 0), Assert.Single(read.Superseded));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void What_an_earlier_version_wrote_is_read_and_nothing_of_it_is_lost(string version)
    {
        foreach ((string manifest, byte[] bytes) in Kept(version))
        {
            object read = _serializer.FromBinary(bytes, manifest);
            Assert.Equal(manifest, _serializer.Manifest(read));
            Assert.Equal(Convert.ToHexString(bytes), Convert.ToHexString(_serializer.ToBinary(read)));

            // Nodes of this version read what the next one will have added to: field 2000, a number.
            object ofTheNext = _serializer.FromBinary([.. bytes, 0x80, 0x7D, 0x01], manifest);
            Assert.Equal(Convert.ToHexString(bytes), Convert.ToHexString(_serializer.ToBinary(ofTheNext)));
        }
    }

    [Fact]
    public void Of_every_message_bytes_are_kept()
    {
        // A new message: CVMFSNIX_WRITE_WIRE=FILE writes the lines of all of them; those that are missing go into the file of the version that brings them.
        if (Environment.GetEnvironmentVariable("CVMFSNIX_WRITE_WIRE") is { Length: > 0 } file)
            File.WriteAllLines(file, Messages.Concat(Snapshots).Select(m => $"{_serializer.Manifest(m)} {(_serializer.ToBinary(m) is { Length: > 0 } bytes ? Convert.ToHexStringLower(bytes) : None)}"));
        HashSet<string> kept = [.. Directory.EnumerateFiles(KeptFolder, "*.txt").SelectMany(f => Kept(Path.GetFileName(f))).Select(k => k.Manifest)];
        Assert.Empty(Messages.Concat(Snapshots).Select(_serializer.Manifest).Except(kept));
    }

    // A message without bytes.
    private const string None = "-";

    /// <summary>Gets the names of the files with bytes that versions wrote, one message a line: its manifest and its bytes in hexadecimal digits.</summary>
    public static TheoryData<string> Versions => [.. Directory.EnumerateFiles(KeptFolder, "*.txt").Select(f => Path.GetFileName(f)!)];

    private static string KeptFolder => TestData.Path("wire");

    private static IEnumerable<(string Manifest, byte[] Bytes)> Kept(string version) =>
        File.ReadLines(Path.Combine(KeptFolder, version)).Select(l => l.Split(' ')).Select(l => (l[0], l[1] == None ? [] : Convert.FromHexString(l[1])));

    [Fact]
    public void The_largest_offer_stays_far_below_the_transport_frame()
    {
        var largest = Sealed with { Builder = new string('b', SealedTransaction.BuilderLengthMax), BundleSize = long.MaxValue, Paths = int.MaxValue };
        Assert.InRange(_serializer.ToBinary(new Enqueue(Repository, 63, [.. Enumerable.Repeat(largest, Enqueue.TransactionsMax)])).Length, 1, 64_000);
        var path = new string('0', 32) + "-" + new string('n', 211);
        var kept = Outcome with { ContentKept = new KeptContent([.. Enumerable.Repeat(path, KeptContent.InlineMax)], null) };
        Assert.InRange(_serializer.ToBinary(new Decide(Repository, kept)).Length, 1, 64_000);
    }
}
