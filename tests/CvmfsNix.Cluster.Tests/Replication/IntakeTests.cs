using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Transfer;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Replication;

public sealed class IntakeTests : IDisposable
{
    private const int Rounds = 400;
    private const int ItemsOfARound = 4;
    private const int Slow = 250_000;

    private static readonly TimeSpan LongEnough = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-intake-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_a_group_waits_for_becomes_durable_whichever_batch_its_last_item_was_in()
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        string repository = Directory.CreateDirectory(Path.Combine(_folder, "repository")).FullName;
        var target = new ReplicaTarget("intake.example.org", repository, Directory.CreateDirectory(Path.Combine(_folder, "work")).FullName);
        var limits = new ReplicationLimits { BatchObjectsMax = 2, DiskReserveBytes = 0 };
        var failed = new TaskCompletionSource();
        await using var intake = new Intake(target, limits, (wanted, _) => wanted.Group.Settle(), failed.SetException);
        for (int round = 0; round < Rounds; round++)
        {
            var group = new FetchGroup();
            for (int item = 0; item < ItemsOfARound; item++)
                group.Add();
            group.Seal();
            // One takes long to be written, and the batch that it is in is closed by the others before; the last one opens the next batch.
            Task slow = ReceiveAsync(intake, group, round, 0, Slow, ct);
            await Task.WhenAll(ReceiveAsync(intake, group, round, 1, 100, ct), ReceiveAsync(intake, group, round, 2, 100, ct));
            await ReceiveAsync(intake, group, round, 3, 100, ct);
            await slow;
            Task ended = await Task.WhenAny(group.Completion, failed.Task).WaitAsync(LongEnough, ct);
            await ended;
        }
    }

    private static Task ReceiveAsync(Intake intake, FetchGroup group, int round, int item, int size, CancellationToken ct)
    {
        byte[] content = new byte[size];
        BinaryPrimitives.WriteInt64BigEndian(content, ((long)round * ItemsOfARound) + item);
        var name = new ObjectName(ObjectHasher.Hash(HashAlgorithmId.Sha1, content), ObjectKind.Data);
        var wanted = new Wanted(StoreItem.Of(name), group) { Compression = CompressionAlgorithm.None };
        return Task.Run(() => intake.ReceiveAsync(wanted, size, new MemoryStream(content), ct), ct);
    }
}
