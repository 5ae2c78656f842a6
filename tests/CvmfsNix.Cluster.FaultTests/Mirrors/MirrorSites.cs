using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Networks;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>
/// A core in a site of its own, and two sites with two mirrors each: one 20 ms away, one 50 ms, one way. A site is a network namespace, so that
/// what its interface receives is what its long line carried; mirrors of one site reach each other inside. Shared by the tests of a run,
/// each of which makes a repository of its own; a test that fails leaves new ones to the next.
/// </summary>
public sealed class MirrorSites : IAsyncLifetime
{
    internal const int Near = 1;
    internal const int Far = 2;
    internal const int Core = 3;

    private const int PerSite = 2;
    private const string SmallDiskBytes = "700m";

    private string? _mounted;

    internal SiteNetwork Network { get; private set; } = null!;

    internal PostgresServer Postgres { get; private set; } = null!;

    internal ClusterOfNodes Nodes { get; private set; } = null!;

    /// <summary>The near ones first.</summary>
    internal IReadOnlyList<ClusterNode> All { get; private set; } = [];

    /// <summary>The mirror whose data folder is a file system of its own; null when this machine cannot have one.</summary>
    internal ClusterNode? Small { get; private set; }

    /// <summary>Set by a test at its end: everything is as it was before.</summary>
    internal bool IsClean { get; set; }

    internal static TimeSpan OneWay(int from, int to) => TimeSpan.FromMilliseconds(Math.Max(Away(from), Away(to)));

    /// <summary>Site of a mirror, by number.</summary>
    internal static int SiteOf(ClusterNode mirror) => mirror.Number <= PerSite ? Near : Far;

    internal static string NameOf(int site) => site == Near ? "near" : "far";

    /// <summary>Replica id of a mirror.</summary>
    internal static string IdOf(ClusterNode mirror) => $"{NameOf(SiteOf(mirror))}-{((mirror.Number - 1) % PerSite) + 1}";

    /// <summary>The mirrors of a site.</summary>
    internal IReadOnlyList<ClusterNode> Of(int site) => [.. All.Where(m => SiteOf(m) == site)];

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes everything ready for a test.</summary>
    internal async Task ReadyAsync(CancellationToken cancellationToken)
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        if (IsClean)
        {
            IsClean = false;
            return;
        }

        await DisposeAsync();
        (SiteNetwork? network, string missing) = await SiteNetwork.TryCreateAsync(3, OneWay, cancellationToken);
        Assert.SkipWhen(network is null, $"no network namespaces here: {missing}");
        Network = network!;
        Postgres = await PostgresServer.StartAsync(Network.Place(Core), null, cancellationToken);
        int nodes = BuiltPrograms.FullSize ? 3 : 1;
        Nodes = ClusterOfNodes.Create(new ClusterSettings($"Host={Postgres.Host};Port={Postgres.Port};Username=postgres;Database=cvmfsnix;SSL Mode=Disable")
        {
            Places = [.. Enumerable.Repeat(Network.Place(Core), nodes)],
            Switches = ["--copies", nodes == 1 ? "1" : "2"],
        });
        All =
        [
            .. Enumerable.Range(1, 2 * PerSite).Select(i =>
            {
                int site = i <= PerSite ? Near : Far;
                return ClusterNode.Mirror(
                    i,
                    Network.Place(site),
                    Path.Combine(Nodes.Folder, $"m{i}"),
                    ["--core", Nodes.Servers, "--site", NameOf(site), "--replica-id", $"{NameOf(site)}-{((i - 1) % PerSite) + 1}"]);
            }),
        ];
        await MountAsync(All[^1], cancellationToken);
        await Nodes.StartAllAsync(cancellationToken);
        foreach (ClusterNode mirror in All)
            mirror.Launch();
        await Task.WhenAll(All.Select(m => m.ReadyAsync(cancellationToken)));
    }

    /// <summary>The end of every log.</summary>
    internal string Logs() => Nodes.Logs() + string.Concat(All.Select(m => $"\n--- mirror {IdOf(m)} ({(m.IsRunning ? "running" : "ended")})\n{m.LogTail(40)}"));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        IsClean = false;
        // First the mount's user, then the mount, then the folder it is in.
        foreach (ClusterNode mirror in All)
            await mirror.DisposeAsync();
        if (_mounted is not null)
            _ = await ProgramRun.RunAsync("umount", [_mounted]);
        if (Nodes is not null)
            await Nodes.DisposeAsync();
        if (Postgres is not null)
            await Postgres.DisposeAsync();
        if (Network is not null)
            await Network.DisposeAsync();
        (Nodes, Network, Postgres, All, Small, _mounted) = (null!, null!, null!, [], null, null);
    }

    private static int Away(int site) => site switch
    {
        Near => 20,
        Far => 50,
        _ => 0,
    };

    private async Task MountAsync(ClusterNode mirror, CancellationToken cancellationToken)
    {
        if (!BuiltPrograms.FullSize)
            return;
        Directory.CreateDirectory(mirror.Data);
        ProgramRun run = await ProgramRun.RunAsync("mount", ["-t", "tmpfs", "-o", $"size={SmallDiskBytes},mode=700", "cvmfsnix-mirrors", mirror.Data], cancellationToken: cancellationToken);
        if (run.ExitCode == 0)
            (Small, _mounted) = (mirror, mirror.Data);
    }
}

/// <summary>The tests that share the sites.</summary>
[CollectionDefinition(Name)]
public sealed class MirrorCollection : ICollectionFixture<MirrorSites>
{
    /// <summary>Of the collection.</summary>
    public const string Name = "mirrors";
}
