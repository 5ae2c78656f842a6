using System.Runtime.CompilerServices;
using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using static CvmfsNix.Cluster.Model.Transactions.TransactionProtocol;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>
/// Events of the journal, snapshots and messages between nodes. An input is the manifest, a newline, and the bytes. What is read is
/// written to bytes that read and write as the same.
/// </summary>
public sealed class JournalTarget : FuzzTarget
{
    private static readonly DateTimeOffset At = new(2026, 2, 3, 4, 5, 6, 789, TimeSpan.Zero);

    private static readonly ClusterSerializer Serializer = new((ExtendedActorSystem)null!);

    // Asked of the serializer, so that a message it learns later is tried as well.
    private static readonly string[] Manifests = [.. ClusterSerializer.Types.Select(type => Serializer.Manifest(RuntimeHelpers.GetUninitializedObject(type)))];

    public override string Name => "journal";

    public override AllocationBound Allocation => new(512 * 1024, 600);

    public override IReadOnlyList<byte[]> Words { get; } = [.. Manifests.Select(m => Encoding.ASCII.GetBytes(m + "\n"))];

    public override IEnumerable<byte[]> Seeds() => Samples()
        .Select(sample => (byte[])[.. Encoding.ASCII.GetBytes(Serializer.Manifest(sample) + "\n"), .. Serializer.ToBinary(sample)])
        .Concat(Manifests.Select(m => Encoding.ASCII.GetBytes(m + "\n")));

    public override string Run(byte[] input, Random random)
    {
        int end = Array.IndexOf(input, (byte)'\n', 0, Math.Min(input.Length, 8));
        string manifest = end < 0 ? "" : Encoding.Latin1.GetString(input, 0, end);
        object read;
        try
        {
            read = Serializer.FromBinary(input[(end + 1)..], manifest);
        }
        catch (SerializationException e)
        {
            return $"{manifest} {e.Message}";
        }

        byte[] written = Serializer.ToBinary(read);
        Oracle.Same(manifest, Serializer.Manifest(read), "the manifest of what was read");
        Oracle.Same(written, Serializer.ToBinary(Serializer.FromBinary(written, manifest)), "the bytes written again");
        return $"{Accepted} {manifest}";
    }

    private static IEnumerable<object> Samples()
    {
        RepositoryId repository = RepositoryId.Parse("test.example.org");
        TransactionId id = TransactionId.Create(At), other = TransactionId.Create(At.AddSeconds(1));
        var transaction = new SealedTransaction(id, new RequestDigest(new byte[32]), new string('a', 64), 12, 3, "builder");
        var rejected = new TransactionOutcome(id, TransactionStatus.Rejected, true, 7, "aa", 1, 2, new KeptContent(["x", "y"], null), 99, new Rejection("Code", "message", "what", null));
        TransactionOutcome committed = rejected with { Id = other, Status = TransactionStatus.Committed, ContentKept = new KeptContent([], "digest"), Reason = new Rejection("C", "m", "w", "hint") };
        ObjectHash hash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "x"u8);
        var tag = new RepositoryTag("v1", hash, 3, At, 4, "text", "branch", 5);
        var head = new RevisionHead { Revision = 7, RootHash = hash, RootSize = 1, StoreCatalog = hash, StoreCatalogSize = 2, History = hash, PublishedAt = At, Previous = tag, NamedTags = [tag], Paths = 3 };
        var revision = new Revision(head, new byte[] { 1, 2 }, "infos", "delta", [new ObjectName(hash, ObjectKind.Catalog)], [new ProfileGenerationRecord("p", 2, SyntheticPath.NameOf("hello"))]);
        var definition = new RepositoryDefinition(repository, StoreDirectory.Default, HashAlgorithmId.Shake128, 240, 8, hash);
        var writer = new RepositoryProtocol.WriterStatus(repository, 9, 7, "aa", At, 5, At, 1, 2, "problem");
        var created = new RepositoryCreated(definition, new byte[] { 5 }, At, revision, At);
        return
        [
            new TransactionSealed(transaction, At), new TransactionDecided(rejected, At), new TransactionConcluded(transaction, committed, At), new TransactionsForgotten(At),
            LedgerState.Empty.Apply(new TransactionSealed(transaction, At)).Apply(new TransactionDecided(rejected, At)).Apply(new TransactionSealed(transaction with { Id = other }, At)),
            created, new LeaderStarted(3, "node", At), new RevisionCommitted(revision, [rejected, committed], [other], At), new TransactionsDecided([rejected], [other], At),
            new WhitelistRenewed(new byte[] { 6 }, At, At), new Collected([new ObjectName(hash, ObjectKind.Chunk)], At),
            RepositoryState.Empty.Apply(created).Apply(new LeaderStarted(3, "n", At)).Apply(new TransactionsDecided([rejected], [other], At)),
            new LeadershipTaken(4, "node", At), new RepositoryRegistered(definition, At), RegistryState.Empty.Apply(new LeadershipTaken(4, "n", At)).Apply(new RepositoryRegistered(definition, At)),
            new Begin(repository, id, transaction.Digest, true), new Enqueue(repository, 6, [transaction, transaction]),
            new WriterBusy(repository, 5, TimeSpan.FromSeconds(1.5)), new TooOld(id, At),
            new RepositoryProtocol.CreateRepository(new RepositoryProtocol.RepositoryDefinitionRequest(repository, "/nix/store", "sha1")), new RepositoryProtocol.LeaderStatus(3, "node", [writer]),
        ];
    }
}
