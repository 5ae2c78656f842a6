using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Nemesis.Load;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Watching;

/// <summary>
/// Looks at every node all the time. Over HTTP: a revision has one root hash, whoever serves it, and no node goes back. In its folder,
/// also while the node is dead or frozen: what it serves is complete, to the last object, and closed under references.
/// </summary>
internal sealed class Watcher : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly RepositoryPath StoreRoot = RepositoryPath.Parse(StoreDirectory.Default.Value);

    private readonly string _fqrn;
    private readonly string _publicKey;
    private readonly HistoryLog _history;
    private readonly ClusterWorkload _workload;
    private readonly HttpClient _client = new(new SocketsHttpHandler { ConnectTimeout = Patience }) { Timeout = Patience };
    private readonly CancellationTokenSource _enough = new();
    private readonly Task[] _watches;
    private int _manifests;
    private int _revisionsRead;

    public Watcher(ClusterOfNodes cluster, string fqrn, string publicKey, HistoryLog history, ClusterWorkload workload)
    {
        (_fqrn, _publicKey, _history, _workload) = (fqrn, publicKey, history, workload);
        _watches = [.. cluster.Nodes.SelectMany(n => (Task[])[Task.Run(() => WatchAsync(n)), Task.Run(() => ReadAsync(n))])];
    }

    /// <summary>Manifests that were looked at.</summary>
    public int Manifests => _manifests;

    /// <summary>Revisions that were read in full, on all nodes together.</summary>
    public int RevisionsRead => _revisionsRead;

    /// <summary>Throws what was found so far.</summary>
    public void Check()
    {
        foreach (Task watch in _watches.Where(static w => w.IsCompleted))
            watch.GetAwaiter().GetResult();
    }

    /// <summary>Ends the watch and throws what it found.</summary>
    public async Task EndAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_watches);
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _enough.Dispose();
    }

    private async Task WatchAsync(ClusterNode node)
    {
        var url = new Uri($"{node.Http}/cvmfs/{_fqrn}/.cvmfspublished");
        ulong highest = 0;
        while (!_enough.IsCancellationRequested)
        {
            try
            {
                if (Head(await _client.GetByteArrayAsync(url, _enough.Token)) is { } head)
                {
                    Interlocked.Increment(ref _manifests);
                    _history.Saw(head.Revision, head.RootHash);
                    if (head.Revision < highest)
                        throw new HistoryViolationException($"Node {node.Number} serves revision {head.Revision} after {highest}.");
                    highest = head.Revision;
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // It is down, frozen, cut off or has not heard of the repository yet.
            }

            await PauseAsync();
        }
    }

    private async Task ReadAsync(ClusterNode node)
    {
        string folder = Path.Combine(node.Data, "cvmfs", _fqrn);
        var read = new HashSet<string>();
        ulong last = 0;
        while (!_enough.IsCancellationRequested)
        {
            await PauseAsync();
            if (!File.Exists(Path.Combine(folder, RepositoryReader.ManifestFile)))
                continue;
            try
            {
                await using RepositoryReader reader = await RepositoryReader.OpenAsync(
                    new DirectorySource(folder), [_publicKey], new RepositoryReaderOptions { ExpectedName = _fqrn }, _enough.Token);
                if (reader.Revision < last)
                    throw new HistoryViolationException($"Node {node.Number} has revision {reader.Revision} in its folder after {last}.");
                if (reader.Revision == last)
                    continue;
                _history.Saw(reader.Revision, reader.RootHash.ToString());
                await ReadAsync(node, reader, read);
                last = reader.Revision;
                Interlocked.Increment(ref _revisionsRead);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is ObjectMissingException or ObjectCorruptException or RepositoryPathException)
            {
                throw new HistoryViolationException($"Node {node.Number} serves a revision after {last} that is not complete: {e.Message}");
            }
        }
    }

    // Paths never change, so that only those that are new to the node have to be read.
    private async Task ReadAsync(ClusterNode node, RepositoryReader reader, HashSet<string> read)
    {
        var listed = new HashSet<string>();
        await foreach (CatalogEntry entry in reader.ListAsync(StoreRoot, includeHidden: false, _enough.Token))
            listed.Add(entry.Path.ToString()[(StoreRoot.ToString().Length + 1)..]);
        if (read.FirstOrDefault(name => !listed.Contains(name)) is { } lost)
            throw new HistoryViolationException($"Node {node.Number} had {lost} and lacks it at revision {reader.Revision}.");
        foreach (string name in listed)
        {
            if (read.Contains(name) || _workload.Known(name) is not PathInfo info)
                continue;
            StorePathName[] open = [.. info.References.Where(r => !listed.Contains(r.Value))];
            if (open.Length > 0)
                throw new HistoryViolationException($"Node {node.Number} lists {name} without {open[0]}, which it refers to, at revision {reader.Revision}.");
            await foreach (CatalogEntry entry in reader.WalkAsync(StoreRoot.Combine(name), includeHidden: true, _enough.Token))
            {
                if (entry.Type == EntryType.Regular)
                    await reader.CopyToAsync(entry, Stream.Null, _enough.Token);
            }

            read.Add(name);
        }
    }

    private Task PauseAsync() => Task.Delay(Interval, _enough.Token).ContinueWith(static _ => { }, TaskScheduler.Default);

    private static (ulong Revision, string RootHash)? Head(byte[] manifest)
    {
        string[] lines = System.Text.Encoding.Latin1.GetString(manifest).Split('\n');
        string? revision = lines.TakeWhile(l => l != "--").FirstOrDefault(l => l.StartsWith('S'));
        string? root = lines.TakeWhile(l => l != "--").FirstOrDefault(l => l.StartsWith('C'));
        return revision is null || root is null ? null : (ulong.Parse(revision.AsSpan(1), CultureInfo.InvariantCulture), root[1..]);
    }
}
