using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>
/// Two processes on one database that both lead: the table by which nodes find each other is hidden from one of them until the
/// other has lost. Nothing is left between their writers but the journal's unique key.
/// </summary>
public sealed class DuelTests(ITestOutputHelper output)
{
    private const string Fqrn = "duel.example.org";
    private const string Writer = $"repository-{Fqrn}";
    private const int Before = 6;
    private const int ByTheFirst = 4;
    private const int Publishes = 30;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_two_processes_that_both_lead_one_goes_on_and_the_other_joins_it()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        string journal = postgres.ConnectionString("cvmfsnix");
        await using ClusterOfNodes one = await ClusterOfNodes.StartAsync(Settings(journal, nodes: 2), Ct);
        var history = new HistoryLog();
        CreatedRepository repository = await CreatedRepository.CreateAsync(At(one.Servers), Fqrn, Ct);
        history.Saw(repository.Revision, repository.RootHash);

        var store = new SyntheticStore(Path.Combine(one.Folder, "store"));
        for (int i = 0; i < Publishes; i++)
            await store.AddAsync($"duel {i}", $"duel {i}", [], 2, 500, Ct);
        store.Register();
        var builder = new Builder(Fqrn, store, history);
        PlannedPublish[] planned = [.. store.Paths.Select(p => PlannedPublish.New(p.Path))];
        ClusterNode first = await one.LeaderAsync(Ct), left = one.Nodes.Single(n => n != first);
        Assert.Equal(0, (await builder.PublishBatchAsync(At(first.Grpc), planned[..Before], 4, Ct)).ExitCode);

        // The second one's store is that of a member that has left: it has everything, as it would have had a moment before.
        string manifest = Path.Combine(left.Data, "cvmfs", Fqrn, ".cvmfspublished");
        await one.UntilAsync(
            () => Task.FromResult(File.Exists(manifest) && File.ReadAllText(manifest, Encoding.Latin1).Contains($"\nS{history.HighestRevision}\n", StringComparison.Ordinal)),
            "the other one has everything",
            Ct);
        Assert.Equal(0, await left.StopAsync(Ct));
        await one.MembersAsync(1, Ct);
        await using ClusterOfNodes two = ClusterOfNodes.Create(Settings(journal + ";Search Path=duel,public", nodes: 1));
        ClusterNode second = two.Nodes[0];
        Directory.CreateDirectory(second.Data);
        Directory.CreateDirectory(second.Keys);
        await CopyAsync(left.Data, second.Data);
        await CopyAsync(left.Keys, second.Keys);
        await postgres.QueryAsync(
            "cvmfsnix",
            "CREATE SCHEMA duel; CREATE TABLE duel.cvmfsnix_cluster (LIKE cvmfsnix_cluster INCLUDING ALL); CREATE TABLE duel.cvmfsnix_member (LIKE cvmfsnix_member INCLUDING ALL)",
            Ct);

        await using var watch = new ManifestWatch([first, second], Fqrn, history);
        int process = first.Id;

        // The second one founds and leads, and writes so into the journal, while the first one knows of nothing.
        await second.StartAsync(Ct);
        Assert.Equal(second.Number, (await two.LeaderAsync(Ct)).Number);
        Assert.Equal(first.Number, (await one.LeaderAsync(Ct)).Number);
        await two.UntilAsync(async () => (await Rows()).Count(r => r.Event is LeaderStarted) == 2, "both have written that they lead", Ct);

        // They find each other in the moment in which the first one gives up, and not before: two that see each other outside of their cluster
        // for some seconds settle by their addresses which of them leaves, and on a slow machine that came before the first lost append.
        await postgres.QueryAsync(
            "cvmfsnix",
            $"""
            CREATE FUNCTION duel.meet() RETURNS trigger LANGUAGE plpgsql AS $meet$
            BEGIN
                DROP TABLE duel.cvmfsnix_cluster, duel.cvmfsnix_member;
                INSERT INTO public.cvmfsnix_member (address, incarnation, seen_at) VALUES ('{second.Address}', OLD.incarnation, clock_timestamp());
                RETURN OLD;
            END $meet$;
            CREATE TRIGGER meet BEFORE DELETE ON public.cvmfsnix_member FOR EACH ROW WHEN (OLD.address = '{first.Address}' AND to_regclass('duel.cvmfsnix_member') IS NOT NULL)
                EXECUTE FUNCTION duel.meet()
            """,
            Ct);

        long start = Stopwatch.GetTimestamp();
        // What the first one was handed lies on its store alone, since it is alone: it may be refused, it may not be acknowledged and lost.
        Task<CliResult[]> stale = Task.WhenAll(planned[Before..(Before + ByTheFirst)].Select(p => builder.PublishAsync(At(first.Grpc), p, Ct, "--timeout", "20")));
        Task<CliResult> rightful = builder.PublishBatchAsync(At(second.Grpc), planned[(Before + ByTheFirst)..], 4, Ct);
        await one.UntilAsync(() => Task.FromResult(first.HasLogged("The leadership of epoch 1 (this node) is over")), "the first one notices", Ct);
        output.WriteLine($"the first one ended its leadership {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after both began to write");
        Assert.True((await rightful).ExitCode == 0, (await rightful).Output + (await rightful).Errors + one.Logs() + two.Logs());
        await one.MembersAsync(2, Ct, seenBy: first);
        output.WriteLine($"the two are one cluster {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after; the first one's builders ended with {string.Join(", ", (await stale).Select(r => r.ExitCode))}");

        // One cluster, led by the one that went on, in the processes they were.
        Assert.Equal(second.Address, (await first.TryStatusAsync(Ct))!.Value.GetProperty("leader").GetString());
        Assert.Equal((process, true), (first.Id, first.IsRunning));
        Assert.False(second.HasLogged("is over"), second.LogTail(40));
        Assert.DoesNotContain(builder.Errors, e => e.Key.Code is not ("NoLeader" or "OutcomeUnknown" or "Unreachable" or "Overloaded"));

        // By the rows: whoever says that it leads writes alone until another says so; the first one wrote nothing after the second began.
        IReadOnlyList<JournalRow> rows = await Rows();
        JournalRow[] starts = [.. rows.Where(r => r.Event is LeaderStarted)];
        output.WriteLine(string.Join('\n', rows.Select(r => $"{r.SequenceNumber,4} {r.Writer} {r.Manifest}")));
        Assert.Equal(2, starts.Length);
        Assert.All(rows.Where(r => r.SequenceNumber >= starts[1].SequenceNumber), r => Assert.Equal(starts[1].Writer, r.Writer));
        Assert.Single(rows.Where(r => r.SequenceNumber < starts[1].SequenceNumber).Select(r => r.Writer).Distinct());
        Assert.NotEqual(starts[0].Writer, starts[1].Writer);

        // By every manifest anybody ever read: it is that of the row.
        IReadOnlyDictionary<ulong, string> seen = await watch.EndAsync();
        var committed = rows.Select(r => r.Event).OfType<RevisionCommitted>().ToDictionary(e => e.Revision.Head.Revision, e => e.Revision.Head.RootHash.ToString());
        Assert.All(seen.Where(s => s.Key > 1), s => Assert.Equal(committed[s.Key], s.Value));
        Assert.NotEmpty(committed);
        ulong head = await new RepositoryChecker(Fqrn, repository.PublicKey, history).CheckEverythingAsync(second.Http, Ct);
        history.CheckEveryRevisionIsSomebodys(head);
        output.WriteLine($"{watch.Read} manifests read, {seen.Count} revisions seen, {committed.Count} committed, {history.Acknowledged.Count} publishes acknowledged");
        Assert.Equal(Publishes - (await stale).Count(r => r.ExitCode != 0), history.Acknowledged.Count);

        async Task<IReadOnlyList<JournalRow>> Rows() => (await JournalRows.ReadAsync(postgres, Fqrn, Ct))[Writer];
    }

    [Fact(Skip = "at full size only: every run has a stale leader that loses, by the test above", SkipType = typeof(BuiltPrograms), SkipUnless = nameof(BuiltPrograms.FullSize))]
    public async Task A_lost_append_fails_nobody_else_on_the_node_and_it_writes_again_at_once()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = await ClusterOfNodes.StartAsync(Settings(postgres.ConnectionString("cvmfsnix"), nodes: 1), Ct);
        ClusterNode node = cluster.Nodes[0];
        const string Other = "beside.example.org";
        var store = new SyntheticStore(Path.Combine(cluster.Folder, "store"));
        for (int i = 0; i < 300; i++)
            await store.AddAsync($"lost {i}", $"lost {i}", [], 1, 200, Ct);
        store.Register();
        (await cluster.CliAsync(["repo", "create", Other, "--json"], Ct)).Succeeded();
        (await cluster.CliAsync(["repo", "create", Fqrn, "--json"], Ct)).Succeeded();
        var answers = new ConcurrentQueue<(string Repository, long At)>();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var loads = new[] { Fqrn, Other }.Select((fqrn, n) => Task.Run(() => PublishAsync(fqrn, n), Ct)).ToArray();
        await cluster.UntilAsync(() => Task.FromResult(new[] { Fqrn, Other }.All(r => answers.Count(a => a.Repository == r) > 5)), "both repositories are written", Ct);

        // An append whose outcome the writer never learned: its own mark, once more, at the number it takes next.
        string taken = "0";
        for (int attempt = 0; attempt < 50 && !node.HasLogged("could not be appended"); attempt++)
        {
            taken = string.Concat(await postgres.QueryAsync("cvmfsnix", $"""
                INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
                  SELECT created, deleted, persistence_id, (SELECT max(sequence_number) + 1 FROM journal WHERE persistence_id = '{Writer}'), message, manifest, identifier, writer_uuid
                  FROM journal WHERE persistence_id = '{Writer}' AND manifest = 'ls' ORDER BY sequence_number LIMIT 1
                ON CONFLICT DO NOTHING RETURNING sequence_number
                """, Ct));
        }

        long lost = Stopwatch.GetTimestamp();
        await cluster.UntilAsync(() => Task.FromResult(node.HasLogged("could not be appended") && answers.Any(a => a.Repository == Fqrn && a.At > lost)), "it is written again", Ct);
        await cluster.UntilAsync(() => Task.FromResult(answers.Count(a => a.Repository == Other && a.At > lost) > 2), "the other repository goes on", Ct);
        await enough.CancelAsync();
        await Task.WhenAll(loads);

        double again = Stopwatch.GetElapsedTime(lost, answers.Where(a => a.Repository == Fqrn && a.At > lost).Min(a => a.At)).TotalSeconds;
        long[] beside = [.. answers.Where(a => a.Repository == Other).Select(a => a.At).Order()];
        double gap = beside.Zip(beside.Skip(1), (x, y) => Stopwatch.GetElapsedTime(x, y).TotalSeconds).Max();
        output.WriteLine($"event {taken} was taken; the next acknowledgement came {again:0.00} s after; the longest gap of the other repository was {gap:0.00} s");
        Assert.False(node.HasLogged("ledger-"), node.LogTail(40));
        Assert.False(node.HasLogged($"repository-{Other}") && node.HasLogged($"{Other}: event"), node.LogTail(40));
        Assert.Equal(1, (await node.TryStatusAsync(Ct))!.Value.GetProperty("epoch").GetInt32());
        return;

        async Task PublishAsync(string fqrn, int half)
        {
            for (int i = half; i < store.Paths.Count && !enough.IsCancellationRequested; i += 2)
            {
                ProgramRun run = await cluster.CliAsync(["publish", "--repo", fqrn, SyntheticStore.FullPath(store.Paths[i].Path), .. store.Arguments, "--json"], Ct);
                Assert.Equal("committed", run.Json.GetProperty("status").GetString());
                answers.Enqueue((fqrn, Stopwatch.GetTimestamp()));
            }
        }
    }

    private static ClusterSettings Settings(string journal, int nodes) => new(journal)
    {
        Places = [.. Enumerable.Repeat(NodePlace.Loopback, nodes)],
        Switches = ["--copies", "1"],
    };

    private static NodeAddresses At(string servers) => new("", servers, "", "");

    private static async Task CopyAsync(string from, string to) =>
        (await ProgramRun.RunAsync("cp", ["-a", from + "/.", to + "/"], cancellationToken: Ct)).Succeeded();
}
