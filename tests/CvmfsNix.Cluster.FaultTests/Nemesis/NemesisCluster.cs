using CvmfsNix.Cluster.FaultTests.Nemesis.Networks;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Steps;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Nemesis;

/// <summary>
/// Three nodes with two copies, each in a network namespace of its own where that is possible, and PostgreSQL behind a proxy. Shared by
/// the tests of a run, each of which makes a repository of its own; a test that fails leaves a new cluster to the next one.
/// </summary>
public sealed class NemesisCluster : IAsyncLifetime
{
    private const int Size = 3;
    private const string DiskBytes = "1g";

    private readonly List<StepListener> _steps = [];
    private string? _mounted;

    internal PostgresServer Postgres { get; private set; } = null!;

    internal ClusterOfNodes Nodes { get; private set; } = null!;

    internal JournalProxy Proxy { get; private set; } = null!;

    /// <summary>Null when this machine cannot have one.</summary>
    internal NodeNetwork? Network { get; private set; }

    /// <summary>Why there is no network.</summary>
    internal string NetworkMissing { get; private set; } = "";

    /// <summary>The node whose data folder is a file system of its own; null when this machine cannot have one.</summary>
    internal ClusterNode? Small { get; private set; }

    /// <summary>Set by a test at its end: the cluster is as it was before.</summary>
    internal bool IsClean { get; set; }

    /// <summary>What a node announces.</summary>
    internal StepListener Steps(ClusterNode node) => _steps[node.Number - 1];

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes the cluster ready for a test.</summary>
    internal async Task ReadyAsync(CancellationToken cancellationToken)
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        if (IsClean)
        {
            IsClean = false;
            return;
        }

        await DisposeAsync();
        Postgres = await PostgresServer.StartAsync(null, cancellationToken);
        (Network, NetworkMissing) = await NodeNetwork.TryCreateAsync(Size, cancellationToken);
        Proxy = new JournalProxy(Network?.DatabaseAddress ?? "127.0.0.1", Postgres.Port);
        for (int i = 0; i < Size; i++)
            _steps.Add(new StepListener());
        string journal = $"Host={Network?.DatabaseAddress ?? "127.0.0.1"};Port={Proxy.Port};Username=postgres;Database=cvmfsnix;SSL Mode=Disable";
        Nodes = ClusterOfNodes.Create(new ClusterSettings(journal)
        {
            Places = [.. Enumerable.Range(1, Size).Select(i => Network?.Place(i) ?? NodePlace.Loopback)],
            Switches = ["--copies", "2"],
            EnvironmentOf = i => new Dictionary<string, string> { [StepProbe.Variable] = _steps[i - 1].SocketPath },
        });
        await MountAsync(Nodes.Nodes[^1], cancellationToken);
        await Nodes.StartAllAsync(cancellationToken);
        await HealthyAsync(cancellationToken);
    }

    /// <summary>Waits until all nodes are members of one cluster, ready, and name one leader.</summary>
    internal async Task HealthyAsync(CancellationToken cancellationToken)
    {
        await Nodes.MembersAsync(Size, cancellationToken);
        foreach (ClusterNode node in Nodes.Nodes)
            await Nodes.UntilAsync(async () => await node.TryNotReadyAsync(cancellationToken) == "", $"node {node.Number} is ready", cancellationToken);
        _ = await Nodes.LeaderAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        IsClean = false;
        // First the mounts' users, then the mount, then the folder it is in.
        if (Nodes is not null)
        {
            foreach (ClusterNode node in Nodes.Nodes)
                await node.KillAsync();
            if (_mounted is not null)
                _ = await ProgramRun.RunAsync("umount", [_mounted]);
            await Nodes.DisposeAsync();
        }

        foreach (StepListener steps in _steps)
            await steps.DisposeAsync();
        if (Proxy is not null)
            await Proxy.DisposeAsync();
        if (Network is not null)
            await Network.DisposeAsync();
        if (Postgres is not null)
            await Postgres.DisposeAsync();
        _steps.Clear();
        (Nodes, Proxy, Network, Postgres, Small, _mounted) = (null!, null!, null, null!, null, null);
    }

    private async Task MountAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            return;
        Directory.CreateDirectory(node.Data);
        ProgramRun run = await ProgramRun.RunAsync("mount", ["-t", "tmpfs", "-o", $"size={DiskBytes},mode=700", "cvmfsnix-nemesis", node.Data], cancellationToken: cancellationToken);
        if (run.ExitCode == 0)
            (Small, _mounted) = (node, node.Data);
    }
}

/// <summary>The tests that share one cluster.</summary>
[CollectionDefinition(Name)]
public sealed class NemesisCollection : ICollectionFixture<NemesisCluster>
{
    /// <summary>Of the collection.</summary>
    public const string Name = "nemesis";
}
