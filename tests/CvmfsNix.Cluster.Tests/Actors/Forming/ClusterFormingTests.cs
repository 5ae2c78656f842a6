using Akka.Actor;
using CvmfsNix.Cluster.Actors.Forming;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Forming;

/// <summary>A real cluster of one, and a membership table that a test speaks for.</summary>
public sealed class ClusterFormingTests
{
    private static readonly FormingTimes Times = new(TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(60));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_member_without_two_others_that_live_stops_belonging_to_its_cluster()
    {
        await using Founder founder = await Founder.StartAsync();
        founder.Table.Others = [new MemberRow("akka.tcp://cvmfsnix@10.0.0.2:1", TimeSpan.Zero), new MemberRow("akka.tcp://cvmfsnix@10.0.0.3:1", TimeSpan.Zero)];
        string why = await founder.Forming.BeatAsync(Ct).WaitAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Contains("came apart", why, StringComparison.Ordinal);
        Assert.Contains("10.0.0.3", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_member_goes_on_beside_rows_of_members_that_are_silent()
    {
        await using Founder founder = await Founder.StartAsync();
        founder.Table.Others = [new MemberRow("akka.tcp://cvmfsnix@10.0.0.2:1", TimeSpan.FromHours(1)), new MemberRow("akka.tcp://cvmfsnix@10.0.0.3:1", TimeSpan.FromHours(1))];
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task<string> beating = founder.Forming.BeatAsync(enough.Token);
        // Twice as many looks as the time of a split takes.
        await founder.Table.LookedAsync(founder.Table.Looks + 20);
        Assert.False(beating.IsCompleted);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => beating);
    }

    private sealed class Founder : IAsyncDisposable
    {
        private readonly ActorSystem _system = ActorSystem.Create(
            "cvmfsnix",
            """
            akka.loglevel = OFF
            akka.stdout-loglevel = OFF
            akka.actor.provider = cluster
            akka.remote.dot-netty.tcp.hostname = "127.0.0.1"
            akka.remote.dot-netty.tcp.port = 0
            akka.cluster.log-info = off
            """);

        private Founder()
        {
            var cluster = Akka.Cluster.Cluster.Get(_system);
            Table = new SpokenTable(cluster.SelfAddress.ToString());
            Forming = new ClusterForming(cluster, Table, [], Times, _ => { }, NullLogger.Instance);
        }

        public SpokenTable Table { get; }

        public ClusterForming Forming { get; }

        public static async Task<Founder> StartAsync()
        {
            var founder = new Founder();
            await founder.Forming.JoinAsync(Ct);
            return founder;
        }

        public async ValueTask DisposeAsync() => await _system.Terminate();
    }

    private sealed class SpokenTable(string self) : IMembershipTable
    {
        private volatile IReadOnlyList<MemberRow> _others = [];
        private int _looks;

        public IReadOnlyList<MemberRow> Others
        {
            get => _others;
            set => _others = value;
        }

        public int Looks => Volatile.Read(ref _looks);

        public Task LookedAsync(int times) => TestNode.UntilAsync(() => Task.FromResult(Looks >= times));

        public Task<ClusterRecord> LookAsync(CancellationToken ct)
        {
            Interlocked.Increment(ref _looks);
            IReadOnlyList<MemberRow> rows = _others.Count == 0 ? [] : [new MemberRow(self, TimeSpan.Zero), .. _others];
            return Task.FromResult(new ClusterRecord(1, self, rows, DateTimeOffset.UtcNow));
        }

        public Task<long?> TryFoundAsync(long seen, string address, TimeSpan alive, CancellationToken ct) => Task.FromResult<long?>(1);

        public Task<DateTimeOffset?> BeatAsync(long incarnation, string address, CancellationToken ct) => Task.FromResult<DateTimeOffset?>(DateTimeOffset.UtcNow);

        public Task RemoveAsync(string address, CancellationToken ct) => Task.CompletedTask;
    }
}
