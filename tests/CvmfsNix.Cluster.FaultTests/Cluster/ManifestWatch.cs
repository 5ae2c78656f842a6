using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>Reads the manifest from nodes all the time and keeps every one it ever got.</summary>
internal sealed class ManifestWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    private readonly HistoryLog _history;
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(2) };
    private readonly CancellationTokenSource _enough = new();
    private readonly Task[] _watches;
    private readonly Dictionary<ulong, string> _seen = [];
    private int _read;

    public ManifestWatch(IEnumerable<ClusterNode> nodes, string fqrn, HistoryLog history)
    {
        _history = history;
        _watches = [.. nodes.Select(n => Task.Run(() => WatchAsync(new Uri($"{n.Http}/cvmfs/{fqrn}/.cvmfspublished"))))];
    }

    /// <summary>How many were read.</summary>
    public int Read => _read;

    /// <summary>Ends the watch; throws if a revision was ever seen with two contents.</summary>
    /// <returns>Root hash of every revision that was seen.</returns>
    public async Task<IReadOnlyDictionary<ulong, string>> EndAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_watches);
        return _seen;
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _enough.Dispose();
    }

    private async Task WatchAsync(Uri url)
    {
        while (!_enough.IsCancellationRequested)
        {
            try
            {
                string[] lines = Encoding.Latin1.GetString(await _client.GetByteArrayAsync(url, _enough.Token)).Split('\n');
                Interlocked.Increment(ref _read);
                ulong revision = ulong.Parse(lines.First(l => l.StartsWith('S')).AsSpan(1), CultureInfo.InvariantCulture);
                string root = lines.First(l => l.StartsWith('C'))[1..];
                _history.Saw(revision, root);
                lock (_seen)
                    _seen[revision] = root;
                await Task.Delay(Interval, _enough.Token);
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // It is down, or has not heard of the repository yet.
            }
        }
    }
}
