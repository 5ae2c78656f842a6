using System.Diagnostics;
using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Following;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Layout;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>Follows a repository of a stock server: looks every few seconds, fetches what is new, serves on whatever becomes of the server.</summary>
public sealed class StockMirror : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PauseMin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(60);

    private readonly StockSource _source;
    private readonly StockFollower _follower;
    private readonly StockMarks _marks;
    private readonly TimeProvider _time;
    private readonly ILogger<StockMirror> _log;
    private readonly string _repositoryFolder;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MirrorPosition _position;
    private string _problem = "The first look at the stock server has not ended yet.";

    /// <param name="options">Of the node; it follows a stock server.</param>
    /// <param name="time">The time.</param>
    /// <param name="log">For people.</param>
    /// <exception cref="IOException">The public key cannot be read, or a folder not be made.</exception>
    public StockMirror(NodeOptions options, TimeProvider time, ILogger<StockMirror> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _source = options.Mirror?.Stock ?? throw new ArgumentException("The node follows no stock server.", nameof(options));
        (_time, _log) = (time, log);
        var layout = new StoreLayout(options.Folders.Data);
        _repositoryFolder = layout.RepositoryFolder(_source.Repository);
        DurableDirectory.Ensure(_repositoryFolder);
        DurableDirectory.Ensure(layout.WorkFolder(_source.Repository));
        _follower = new StockFollower(
            new StockFollowOptions
            {
                Repository = _source.Repository,
                RepositoryUrls = _source.Urls,
                MasterPublicKeyPems = [File.ReadAllText(_source.PublicKeyFile)],
                RepositoryFolder = _repositoryFolder,
                WorkFolder = layout.WorkFolder(_source.Repository),
                // As a stock replica does, so that it can be followed by others in its source's stead.
                WithHistory = true,
            },
            ReplicationLimits.Default,
            time);
        _marks = new StockMarks(WriteMark, ReadMark);
        _position = new MirrorPosition(_source.Repository) { Opened = true, Known = true };
        if (Served() is { } served)
        {
            _position = _position with { Revision = served.Revision, RootHash = served.RootHash.ToString() };
            _ready.TrySetResult();
        }
    }

    /// <summary>Where it stands.</summary>
    public MirrorPosition Position => Volatile.Read(ref _position);

    /// <summary>The server followed.</summary>
    public string Url => _source.Urls[0].ToString().TrimEnd('/');

    /// <summary>Why the last look failed; empty when it went well.</summary>
    public string Problem => Volatile.Read(ref _problem);

    /// <summary>Whether a revision is served.</summary>
    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    /// <summary>Completes when a revision is served.</summary>
    public Task ReadyAsync(CancellationToken cancellationToken) => _ready.Task.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _follower.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        TimeSpan pause = PauseMin;
        string said = "";
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await LookAsync(stoppingToken);
                if (said.Length > 0)
                    _log.LogInformation("{Repository}: {Url} is followed again", _source.Repository, Url);
                (said, pause) = ("", PauseMin);
                Volatile.Write(ref _problem, "");
                _ready.TrySetResult();
                await Task.Delay(LookEvery, _time, stoppingToken);
                continue;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is ReplicationException or IOException or HttpRequestException)
            {
                string problem = $"{_source.Repository} of {Url}: {e.Message}";
                if (problem != said)
                    _log.LogWarning("{Problem} What is here is served; it is tried again", problem);
                said = problem;
                Volatile.Write(ref _problem, problem);
                Volatile.Write(ref _position, _position with { Working = false, Problem = e.Message });
            }

            await Task.Delay(pause * (0.7 + (0.6 * Random.Shared.NextDouble())), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
        }
    }

    private async Task LookAsync(CancellationToken ct)
    {
        long started = Stopwatch.GetTimestamp();
        bool first = _position.Revision == 0;
        if (first)
            _marks.Snapshotting(_time.GetUtcNow());
        StockFollowResult result = await _follower.SyncAsync(new Reporter(this), ct);
        _marks.Snapshotted(_time.GetUtcNow());
        Volatile.Write(ref _position, _position with
        {
            Revision = result.Revision,
            RootHash = result.RootHash.ToString(),
            HeadRevision = result.Revision,
            MissingBytes = 0,
            MissingObjects = 0,
            Working = false,
            CatchingUp = false,
            Problem = "",
            ServedAt = result.Changed ? _time.GetUtcNow() : _position.ServedAt,
        });
        if (!result.Changed)
            return;
        _log.LogInformation(
            "{Repository}: revision {Revision} is served; {Objects} objects, {Bytes} bytes came in {Seconds:0.0} s",
            _source.Repository,
            result.Revision,
            result.ObjectsFetched,
            result.BytesFetched,
            Stopwatch.GetElapsedTime(started).TotalSeconds);
        foreach (string tag in result.TagsSkipped)
            _log.LogWarning("{Repository}: the server has no catalogs of the tag {Tag} any more", _source.Repository, tag);
    }

    private Manifest? Served()
    {
        string file = Path.Combine(_repositoryFolder, ".cvmfspublished");
        try
        {
            return File.Exists(file) ? Manifest.ParseSigned(File.ReadAllBytes(file)).Manifest : null;
        }
        catch (ManifestFormatException)
        {
            return null;
        }
    }

    private void WriteMark(string name, string? content)
    {
        string file = Path.Combine(_repositoryFolder, name);
        if (content is null)
        {
            File.Delete(file);
            return;
        }

        string temporary = file + ".new";
        File.WriteAllText(temporary, content);
        File.Move(temporary, file, overwrite: true);
    }

    private string? ReadMark(string name)
    {
        string file = Path.Combine(_repositoryFolder, name);
        return File.Exists(file) ? File.ReadAllText(file) : null;
    }

    private sealed class Reporter(StockMirror owner) : IProgress<FillProgress>
    {
        public void Report(FillProgress value) => Volatile.Write(ref owner._position, owner._position with
        {
            Working = true,
            CatchingUp = true,
            MissingBytes = value.BytesMissing,
            MissingObjects = value.ObjectsMissing,
        });
    }
}
