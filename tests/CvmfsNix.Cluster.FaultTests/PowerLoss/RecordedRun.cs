using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Steps;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>An instant at which the power may fail, and what must be there afterwards.</summary>
/// <param name="LogLength">Bytes of the recorder's log at that instant.</param>
/// <param name="Label">Where it was.</param>
/// <param name="Created">The repository's creation was acknowledged.</param>
/// <param name="Publishes">So many publishes were acknowledged, or the journal claims to hold them.</param>
/// <param name="ServedRevision">The node said that this revision's manifest lies in the repository folder for good; 0 = none.</param>
internal sealed record Cut(long LogLength, string Label, bool Created, int Publishes, ulong ServedRevision)
{
    /// <summary>All of what must be there, as text.</summary>
    public string Promises => $"{Created} {Publishes} {ServedRevision}";

    /// <summary>Within a publish, not after an answer.</summary>
    public bool IsStep => Label.Contains('.', StringComparison.Ordinal);
}

/// <summary>
/// One life of a node, every file operation recorded: a repository is created, paths are published one after the other, the
/// node is stopped and started in between. Made once; the tests then look at its disk at many instants.
/// </summary>
internal sealed class RecordedRun : IDisposable
{
    public const string Repository = "power.example.org";
    public const string DataBelowRoot = "data";
    public const string JournalFile = "journal.db";
    private const int PublishesBeforeTheStop = 3;
    private const int PublishesAfterTheStop = 2;

    private readonly List<Cut> _cuts = [];
    private readonly List<(PlannedPublish Publish, Acknowledgement Answer)> _publishes = [];
    private readonly List<PathInfo> _afterwards = [];
    private readonly Recorder _recorder;
    private readonly Lock _lock = new();
    private CreatedRepository? _created;
    private ImageJudge? _judge;
    private bool _creationAnswered;
    private int _appended;
    private ulong _served;

    private RecordedRun(Scratch scratch, Recorder recorder)
    {
        Scratch = scratch;
        _recorder = recorder;
        Store = new SyntheticStore(scratch["store"]);
        Log = new OperationLog([]);
    }

    public Scratch Scratch { get; }

    public SyntheticStore Store { get; }

    public OperationLog Log { get; private set; }

    public string Root => _recorder.Root;

    /// <summary>The recorded node's data folder, as it lies there at the end.</summary>
    public string Data => Path.Combine(Root, DataBelowRoot);

    public CreatedRepository Created => _created!;

    /// <summary>Knows what this run acknowledged.</summary>
    public ImageJudge Judge => _judge ??= new ImageJudge(this);

    /// <summary>In the order of time.</summary>
    public IReadOnlyList<Cut> Cuts => _cuts;

    /// <summary>In the order of time, with their answers.</summary>
    public IReadOnlyList<(PlannedPublish Publish, Acknowledgement Answer)> Publishes => _publishes;

    /// <summary>A publish that was never asked for, on top of the newest acknowledged one.</summary>
    public PlannedPublish Unpublished(int acknowledged) => PlannedPublish.New(_afterwards[acknowledged].Path);

    public static async Task<RecordedRun> MakeAsync(CancellationToken cancellationToken)
    {
        var scratch = new Scratch("power");
        string root = Directory.CreateDirectory(scratch["disk"]).FullName;
        var run = new RecordedRun(scratch, await Recorder.CompileAsync(scratch.Folder, root, cancellationToken));
        await run.LiveAsync(cancellationToken);
        return run;
    }

    public void Dispose() => Scratch.Dispose();

    private async Task LiveAsync(CancellationToken cancellationToken)
    {
        List<PathInfo> paths = await MakePathsAsync(cancellationToken);
        var history = new HistoryLog();
        await using var listener = new StepListener(Mark);
        var settings = new NodeSettings(Data) { StepSocket = listener.SocketPath, Environment = _recorder.Environment };
        await using (NodeProcess first = await NodeProcess.StartAsync(settings, cancellationToken))
        {
            settings = settings with { Addresses = first.Addresses };
            AddCut("ready for the first time");
            _created = await CreatedRepository.CreateAsync(first.Addresses, Repository, cancellationToken);
            lock (_lock)
            {
                _creationAnswered = true;
                _appended = 0;
            }

            AddCut("repository created");
            await PublishAsync(first.Addresses, paths[..PublishesBeforeTheStop], history, cancellationToken);
            Assert.Equal(0, await first.StopAsync(cancellationToken));
            AddCut("stopped");
        }

        await using NodeProcess second = await NodeProcess.StartAsync(settings, cancellationToken);
        AddCut("started again");
        await PublishAsync(second.Addresses, paths[PublishesBeforeTheStop..], history, cancellationToken);
        await second.KillAsync();
        Log = new OperationLog(await File.ReadAllBytesAsync(_recorder.Log, cancellationToken));
        Assert.True(_appended == _publishes.Count, $"{_appended} appends were announced for {_publishes.Count} publishes");
    }

    private async Task<List<PathInfo>> MakePathsAsync(CancellationToken cancellationToken)
    {
        var paths = new List<PathInfo>();
        for (int i = 0; i < PublishesBeforeTheStop + PublishesAfterTheStop; i++)
            paths.Add(await AddAsync($"power {i}", i == 0 ? [] : [paths[i - 1]], files: i % 2 == 0 ? 12 : 2));
        // One for each number of acknowledged publishes, on top of the newest of these.
        _afterwards.Add(await AddAsync("afterwards 0", [], files: 10));
        for (int i = 0; i < paths.Count; i++)
            _afterwards.Add(await AddAsync($"afterwards {i + 1}", [paths[i]], files: 10));
        Store.Register();
        return paths;

        Task<PathInfo> AddAsync(string identity, IReadOnlyList<PathInfo> references, int files) => Store.AddAsync(
            identity, $"{BuiltPrograms.Seed} {identity}", [.. references.Select(r => r.Path)], files, fileBytesMax: 6000, cancellationToken);
    }

    private async Task PublishAsync(NodeAddresses server, IEnumerable<PathInfo> paths, HistoryLog history, CancellationToken cancellationToken)
    {
        var builder = new Builder(Repository, Store, history);
        foreach (PathInfo path in paths)
        {
            PlannedPublish publish = PlannedPublish.New(path.Path);
            CliResult result = await builder.PublishAsync(server, publish, cancellationToken);
            Assert.True(result.ExitCode == 0, result.Output + result.Errors);
            lock (_lock)
                _publishes.Add((publish, history.Acknowledged.Single(a => a.Transaction == publish.Transaction)));
            AddCut($"publish {_publishes.Count} answered");
        }
    }

    private void Mark(StepMark mark)
    {
        lock (_lock)
        {
            if (mark.Step == StepNames.AppendAfter)
                _appended++;
            if (mark.Step == StepNames.NamedAfter)
                _served = Manifest.ParseSigned(File.ReadAllBytes(Path.Combine(Data, "cvmfs", Repository, ".cvmfspublished"))).Manifest.Revision;
        }

        AddCut($"{mark.Step} {mark.Number}");
    }

    private void AddCut(string label)
    {
        lock (_lock)
        {
            // What the journal holds is answered sooner or later, so it counts from the append on; that is the tighter bound.
            int publishes = _creationAnswered ? Math.Max(_appended, _publishes.Count) : 0;
            _cuts.Add(new Cut(_recorder.LogLength, label, _creationAnswered, publishes, _served));
        }
    }
}
