using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.TestKit.Networks;
using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Mirrors;

/// <summary>One core node, and mirrors a given way off: on loopback, or in a network namespace whose line delays.</summary>
internal sealed class MirrorPair : IAsyncDisposable
{
    private const int MirrorSite = 1;
    private const int CoreSite = 2;

    private readonly SiteNetwork? _network;
    private readonly PostgresServer _postgres;
    private readonly ClusterOfNodes _nodes;
    private readonly List<ClusterNode> _mirrors = [];

    private MirrorPair(SiteNetwork? network, PostgresServer postgres, ClusterOfNodes nodes) => (_network, _postgres, _nodes) = (network, postgres, nodes);

    public ClusterNode Core => _nodes.Nodes[0];

    /// <summary>Where mirrors, and what is compared with them, run.</summary>
    public NodePlace Place => _network?.Place(MirrorSite) ?? NodePlace.Loopback;

    public string Folder => _nodes.Folder;

    /// <summary>Starts the core.</summary>
    /// <param name="roundTrip">Between core and mirrors; zero = loopback, without a line between them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidOperationException">There can be no such network here.</exception>
    public static async Task<MirrorPair> StartAsync(TimeSpan roundTrip, CancellationToken cancellationToken)
    {
        SiteNetwork? network = null;
        if (roundTrip > TimeSpan.Zero)
        {
            (network, string missing) = await SiteNetwork.TryCreateAsync(2, roundTrip / 2, cancellationToken);
            if (network is null)
                throw new InvalidOperationException($"no network namespaces here: {missing}");
        }

        NodePlace core = network?.Place(CoreSite) ?? NodePlace.Loopback;
        PostgresServer postgres = await PostgresServer.StartAsync(core, null, cancellationToken);
        ClusterOfNodes nodes = await ClusterOfNodes.StartAsync(
            new ClusterSettings($"Host={postgres.Host};Port={postgres.Port};Username=postgres;Database=cvmfsnix;SSL Mode=Disable") { Places = [core], Switches = ["--copies", "1"] },
            cancellationToken);
        return new MirrorPair(network, postgres, nodes);
    }

    /// <summary>Makes a repository.</summary>
    /// <returns>File of its public key.</returns>
    public async Task<string> CreateAsync(string fqrn, CancellationToken cancellationToken)
    {
        string key = (await _nodes.CliAsync(["repo", "create", fqrn, "--json"], cancellationToken)).Json.GetProperty("publicKey").GetString()!;
        string file = Path.Combine(Folder, fqrn + ".pub");
        await File.WriteAllTextAsync(file, key, cancellationToken);
        return file;
    }

    /// <summary>A new mirror of some repositories, with an empty folder; not started.</summary>
    public ClusterNode NewMirror(string fqrn)
    {
        int number = _mirrors.Count + 1;
        var mirror = ClusterNode.Mirror(number, Place, Path.Combine(Folder, $"m{number}"), ["--core", _nodes.Servers, "--repo", fqrn, "--replica-id", $"m{number}"]);
        _mirrors.Add(mirror);
        return mirror;
    }

    /// <summary>Waits until a node's named files show a revision, looking about twice a millisecond.</summary>
    /// <returns>When that was, as a timestamp.</returns>
    public static async Task<long> ShownAsync(ClusterNode node, string fqrn, ulong revision, CancellationToken cancellationToken)
    {
        string file = Path.Combine(node.Data, "cvmfs", fqrn, ".cvmfspublished");
        return await Task.Factory.StartNew(
            () =>
            {
                while (Revision(file) < revision)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    Thread.Sleep(TimeSpan.FromMicroseconds(400));
                }

                return TimeProvider.System.GetTimestamp();
            },
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <summary>Whether all of a mirror's newest revision is there, every object hashed.</summary>
    public static async Task<bool> VerifyAsync(ClusterNode mirror, string fqrn, string keyFile, CancellationToken cancellationToken)
    {
        ProgramRun run = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", Path.Combine(mirror.Data, "cvmfs", fqrn), "--pubkey", keyFile, "--deep"], null, cancellationToken);
        if (run.ExitCode != 0)
            Console.Error.WriteLine($"mirror {mirror.Number}: {run.Output}{run.Errors}\n{mirror.LogTail(30)}");
        return run.ExitCode == 0;
    }

    /// <summary>Names of all objects the core serves of a repository, as paths below its URL.</summary>
    public string[] Objects(string fqrn)
    {
        string data = Path.Combine(Core.Data, "cvmfs", fqrn, "data");
        return [.. Directory.EnumerateDirectories(data).Where(d => Path.GetFileName(d).Length == 2).SelectMany(d => Directory.EnumerateFiles(d)).Select(f => Path.GetRelativePath(Path.GetDirectoryName(data)!, f)).Order(StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (ClusterNode mirror in _mirrors)
            await mirror.DisposeAsync();
        await _nodes.DisposeAsync();
        await _postgres.DisposeAsync();
        if (_network is not null)
            await _network.DisposeAsync();
    }

    private static ulong Revision(string file)
    {
        try
        {
            string? line = File.ReadLines(file, Encoding.Latin1).FirstOrDefault(l => l.StartsWith('S'));
            return line is null ? 0 : ulong.Parse(line.AsSpan(1), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
