using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Networks;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Sites;

/// <summary>
/// Three sites 20 ms apart, a core node in each. PostgreSQL runs in the first, its synchronous standby in the second. The first node leads,
/// because it founded the cluster.
/// </summary>
internal sealed class ThreeSites : IAsyncDisposable
{
    public const int Count = 3;

    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(20);

    private readonly StepListener _steps = new();

    private ThreeSites(SiteNetwork network) => Network = network;

    public SiteNetwork Network { get; }

    /// <summary>In site 1 at the start.</summary>
    public PostgresServer First { get; private set; } = null!;

    /// <summary>In site 2.</summary>
    public PostgresServer Second { get; private set; } = null!;

    public ClusterOfNodes Nodes { get; private set; } = null!;

    /// <summary>What the node of site 1 announces.</summary>
    public StepListener Steps => _steps;

    /// <summary>Starts everything; skips the test where there cannot be sites.</summary>
    public static async Task<ThreeSites> StartAsync(CancellationToken cancellationToken)
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        (SiteNetwork? network, string missing) = await SiteNetwork.TryCreateAsync(Count, OneWay, cancellationToken);
        Assert.SkipWhen(network is null, $"no network namespaces here: {missing}");
        var sites = new ThreeSites(network!);
        try
        {
            await sites.BuildAsync(cancellationToken);
            return sites;
        }
        catch
        {
            await sites.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a standby of a site is called by its primary.</summary>
    public static string Standby(int site) => $"site{site}";

    /// <summary>Waits until all nodes are members, ready, and name one leader.</summary>
    public async Task HealthyAsync(CancellationToken cancellationToken)
    {
        await Nodes.MembersAsync(Count, cancellationToken);
        foreach (ClusterNode node in Nodes.Nodes)
            await Nodes.UntilAsync(async () => await node.TryNotReadyAsync(cancellationToken) == "", $"node {node.Number} is ready", cancellationToken);
        _ = await Nodes.LeaderAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (Nodes is not null)
            await Nodes.DisposeAsync();
        await _steps.DisposeAsync();
        if (Second is not null)
            await Second.DisposeAsync();
        if (First is not null)
            await First.DisposeAsync();
        await Network.DisposeAsync();
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        First = await PostgresServer.StartAsync(Network.Place(1), null, cancellationToken);
        Second = await PostgresServer.FollowAsync(First, Standby(2), Network.Place(2), cancellationToken);
        await First.SetAsync("synchronous_standby_names", Standby(2), cancellationToken);
        string journal = $"Host={First.Host}:{First.Port},{Second.Host}:{Second.Port};Username=postgres;Database=cvmfsnix;Target Session Attributes=read-write;SSL Mode=Disable";
        Nodes = ClusterOfNodes.Create(new ClusterSettings(journal)
        {
            Places = [.. Enumerable.Range(1, Count).Select(Network.Place)],
            Switches = ["--copies", "2", "--timing", "wan"],
            SwitchesOf = i => ["--site", $"s{i}"],
            EnvironmentOf = i => i == 1 ? new Dictionary<string, string> { [StepProbe.Variable] = _steps.SocketPath } : new Dictionary<string, string>(),
        });
        // With two copies nobody is ready alone; alone is only how the first becomes the oldest.
        Nodes.Nodes[0].Launch();
        await Nodes.UntilAsync(async () => (await Nodes.Nodes[0].TryStatusAsync(cancellationToken))?.GetProperty("members").GetArrayLength() == 1, "the first node founded the cluster", cancellationToken);
        await Nodes.StartAllAsync(cancellationToken);
        await HealthyAsync(cancellationToken);
    }
}
