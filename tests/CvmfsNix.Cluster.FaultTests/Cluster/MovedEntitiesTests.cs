using System.Text.Json;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Model.Leadership;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>
/// Ledgers and a writer go from one living process to another and back, again and again: by a freeze that the cluster does not wait for, and by
/// a hand-over. A process that gets one back has known it before; what it recovers is what the rows say, and nothing that it remembers.
/// </summary>
public sealed class MovedEntitiesTests(ITestOutputHelper output)
{
    private const string Fqrn = "moved.example.org";
    private const int RoundsMax = 12;

    // At full size the rows between two moves are more than the events between two snapshots.
    private static int PublishesPerMove => BuiltPrograms.FullSize ? 110 : 8;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ledgers_and_a_writer_moved_back_and_forth_between_living_processes_hold_what_their_rows_say()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: minutes of freezing and rejoining, which want a machine that does nothing else");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "2"] }, Ct);
        (await cluster.CliAsync(["repo", "create", Fqrn, "--json"], Ct)).Succeeded();
        await using var observer = new ClusterObserver();
        int[] processes = [.. cluster.Nodes.Select(n => n.Id)];
        var places = new Dictionary<string, List<string>>();
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));

        ClusterNode a = await cluster.LeaderAsync(Ct);
        await PublishAsync(cluster, store);
        await CompareAsync(cluster, postgres, observer, places);
        await FreezeAsync(cluster, a, () => PublishAsync(cluster, store, a));
        await CompareAsync(cluster, postgres, observer, places);
        ClusterNode b = await cluster.LeaderAsync(Ct);
        Assert.NotEqual(a, b);
        ClusterNode c = cluster.Nodes.Single(n => n != a && n != b);

        // Who has been a member for longest leads next: the third one has to be younger than the one that is to have it.
        string[] wanted = [a.Address, b.Address, a.Address, b.Address];
        for (int round = 0; round < RoundsMax && !(Holds(places[Writer], wanted) && places.Any(p => p.Key != Writer && BackAndForth(p.Value) is not null)); round++)
        {
            await FreezeAsync(cluster, c, () => Task.CompletedTask);
            ClusterNode leader = await cluster.LeaderAsync(Ct);
            if (round % 2 == 0)
                await HandOverAsync(cluster, postgres, leader);
            else
                await FreezeAsync(cluster, leader, () => PublishAsync(cluster, store, leader));
            await PublishAsync(cluster, store);
            await CompareAsync(cluster, postgres, observer, places);
        }

        string[] moved = [.. places.Where(p => p.Key != Writer).Select(p => p.Value).Where(p => p.Count > 1).Select(p => string.Join('>', p.Select(Number)))];
        output.WriteLine($"the writer was on {string.Join(" > ", places[Writer].Select(Number))}; {moved.Length} of 64 ledgers moved, {moved.Sum(m => m.Count(x => x == '>'))} times in all: {string.Join(", ", moved)}");
        Assert.True(Holds(places[Writer], wanted), "the writer did not go A, B, A, B");
        Assert.Contains(places.Where(p => p.Key != Writer), p => BackAndForth(p.Value) is not null);
        Assert.Equal(processes, cluster.Nodes.Select(n => n.Id));
        Assert.All(cluster.Nodes, n => Assert.True(n.IsRunning));

        string Number(string address) => cluster.Nodes.Single(n => n.Address == address).Number.ToString();
    }

    private static string Writer => $"repository-{Fqrn}";

    // Every living actor against the rows: at the number it says to be at, its state is that of a replay. It must also be at the end.
    private static async Task CompareAsync(ClusterOfNodes cluster, PostgresServer postgres, ClusterObserver observer, Dictionary<string, List<string>> places)
    {
        await cluster.MembersAsync(3, Ct);
        await cluster.LeaderAsync(Ct);
        string[] behind = [];
        try
        {
            await cluster.UntilAsync(AtTheEndAsync, "every ledger and the writer are at the end of their journals", Ct);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"Not at the end, or without an answer: {string.Join("; ", behind)}\n{e.Message}", e);
        }

        async Task<bool> AtTheEndAsync()
        {
            var told = new Dictionary<string, StateIs?> { [Writer] = await observer.WriterAsync(cluster.Nodes[0], Fqrn, Ct) };
            StateIs?[] ledgers = await Task.WhenAll(Enumerable.Range(0, LedgerBucket.Count).Select(i => observer.LedgerAsync(cluster.Nodes[i % 3], Fqrn, i, Ct)));
            for (int i = 0; i < ledgers.Length; i++)
                told.Add($"ledger-{Fqrn}|{i:00}", ledgers[i]);
            behind = [.. told.Where(t => t.Value is null).Select(t => t.Key)];
            if (behind.Length > 0)
                return false;
            JournalRows rows = await JournalRows.ReadAsync(postgres, Fqrn, Ct);
            Assert.All(rows.Ids.SelectMany(id => rows[id]), row => Assert.Equal(row.Message, row.Again));
            foreach ((string id, StateIs? state) in told)
            {
                object replayed = id == Writer ? rows.Writer(id, state!.SequenceNumber) : rows.Ledger(id, state!.SequenceNumber);
                Assert.True(state.SequenceNumber <= rows[id].Count, $"{id} on {state.Node} says that it is at event {state.SequenceNumber}; the journal ends at {rows[id].Count}");
                Assert.True(JournalRow.DigestOf(replayed) == state.Digest, $"{id} on {state.Node} holds something else than the first {state.SequenceNumber} rows say");
            }

            // A row that came between the question and the look at the table: once more.
            behind = [.. told.Where(t => t.Value!.SequenceNumber != rows[t.Key].Count).Select(t => $"{t.Key} on {t.Value!.Node} is at {t.Value.SequenceNumber} of {rows[t.Key].Count}")];
            if (behind.Length > 0)
                return false;
            foreach ((string id, StateIs? state) in told)
            {
                if (!places.TryGetValue(id, out List<string>? been))
                    places.Add(id, been = []);
                if (been.LastOrDefault() != state!.Node)
                    been.Add(state.Node);
            }

            return true;
        }
    }

    // The cluster goes on without it; meanwhile things happen; thawed, it joins again in the same process.
    private static async Task FreezeAsync(ClusterOfNodes cluster, ClusterNode node, Func<Task> meanwhile)
    {
        ClusterNode other = cluster.Nodes.First(n => n != node);
        node.Freeze();
        try
        {
            await cluster.MembersAsync(2, Ct, seenBy: other);
            await meanwhile();
        }
        finally
        {
            node.Thaw();
        }

        await cluster.MembersAsync(3, Ct);
    }

    // The leader learns from the journal that another one leads. It stops in order, as for a planned hand-over, and joins again.
    private static async Task HandOverAsync(ClusterOfNodes cluster, PostgresServer postgres, ClusterNode leader)
    {
        ulong epoch = (await leader.TryStatusAsync(Ct))!.Value.GetProperty("epoch").GetUInt64() + 10;
        var serializer = new ClusterSerializer((ExtendedActorSystem)null!);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await postgres.QueryAsync("cvmfsnix", Insert("registry", "gl", new LeadershipTaken(epoch, "nobody", now)) + Insert(Writer, "ls", new LeaderStarted(epoch, "nobody", now)), Ct);
        string Insert(string id, string manifest, object @event) => $"""
            INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
              SELECT 0, false, '{id}', max(sequence_number) + 1, '\x{Convert.ToHexStringLower(serializer.ToBinary(@event))}'::bytea, '{manifest}', 1001, 'nobody' FROM journal WHERE persistence_id = '{id}';
            """;
        // The next thing it writes is what it loses.
        _ = await cluster.CliAsync(["repo", "create", $"next{epoch}.example.org", "--json", "--timeout", "20"], Ct, leader);
        await cluster.UntilAsync(async () => (await cluster.LeaderAsync(Ct)) != leader, "another node leads", Ct);
        await cluster.MembersAsync(3, Ct);
    }

    private static async Task PublishAsync(ClusterOfNodes cluster, SyntheticStore store, ClusterNode? except = null)
    {
        int first = store.Paths.Count;
        for (int i = 0; i < PublishesPerMove; i++)
            await store.AddAsync($"moved {first + i}", $"moved {first + i}", [], 2, 300, Ct);
        store.Register();
        string lines = string.Concat(store.Paths.Skip(first).Select((p, i) => JsonSerializer.Serialize(new
        {
            transaction = Transaction(i),
            repository = Fqrn,
            paths = (string[])[SyntheticStore.FullPath(p.Path)],
            closure = true,
        }) + "\n"));
        string file = Path.Combine(cluster.Folder, "batch");
        await File.WriteAllTextAsync(file, lines, Ct);
        string servers = string.Join(',', cluster.Nodes.Where(n => n != except).Select(n => n.Grpc));
        (await ProgramRun.RunAsync(BuiltProgram.Cli, ["publish", "--batch", file, "--parallel", "1", .. store.Arguments, "--json", "--server", servers], null, Ct)).Succeeded();
    }

    // Every second one goes to the same ledger, so that one of them gets long; the others lie anywhere.
    private static string Transaction(int number)
    {
        Guid id = Guid.CreateVersion7();
        if (number % 2 == 1)
            return id.ToString();
        byte[] bytes = id.ToByteArray(bigEndian: true);
        bytes[15] = 5;
        return new Guid(bytes, bigEndian: true).ToString();
    }

    private static bool Holds(List<string> places, string[] wanted) =>
        Enumerable.Range(0, Math.Max(0, places.Count - wanted.Length + 1)).Any(i => places.Skip(i).Take(wanted.Length).SequenceEqual(wanted));

    private static string? BackAndForth(List<string> places) =>
        Enumerable.Range(0, Math.Max(0, places.Count - 3)).Where(i => places[i] == places[i + 2] && places[i + 1] == places[i + 3]).Select(i => places[i]).FirstOrDefault();
}
