using System.Collections.Concurrent;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>
/// Reads every mirror all the time as a client that has nothing cached: manifest, signatures, catalogs down to a store path chosen at random, a file
/// of it, each hash checked, only over HTTP. A mirror may be away; what it answers may neither be incomplete nor older than before.
/// </summary>
internal sealed class MirrorWatcher : IAsyncDisposable
{
    // Readers of each mirror, so that a slow one does not make the watch a slow one.
    private const int ReadersOfAMirror = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly RepositoryPath StoreRoot = RepositoryPath.Parse(StoreDirectory.Default.Value);

    private readonly string _fqrn;
    private readonly string _publicKey;
    private readonly HistoryLog _history;
    private readonly long _start = TimeProvider.System.GetTimestamp();
    private readonly CancellationTokenSource _enough = new();
    private readonly ConcurrentDictionary<(int Mirror, ulong Revision), int> _readsOf = new();
    private readonly ConcurrentDictionary<string, int> _unanswered = new();
    private readonly ConcurrentDictionary<string, int> _tolerated = new();
    private readonly Task[] _watches;
    private TimeSpan _took;

    public MirrorWatcher(IEnumerable<ClusterNode> mirrors, string fqrn, string publicKey, HistoryLog history, int seed)
    {
        (_fqrn, _publicKey, _history) = (fqrn, publicKey, history);
        _watches =
        [
            .. mirrors.SelectMany(m => Enumerable.Range(0, ReadersOfAMirror).Select(r => Task.Run(() => WatchAsync(m, new Random(seed + (ReadersOfAMirror * m.Number) + r))))),
        ];
    }

    /// <summary>The watch is over.</summary>
    public bool HasEnded => _enough.IsCancellationRequested;

    /// <summary>Files read, with all that leads to them.</summary>
    public int Reads => _readsOf.Values.Sum();

    /// <summary>Different revisions read, by mirror.</summary>
    public int RevisionsOf(ClusterNode mirror) => _readsOf.Keys.Count(k => k.Mirror == mirror.Number);

    /// <summary>Newest revision read from a mirror; 0 = none.</summary>
    public ulong NewestOf(ClusterNode mirror) => _readsOf.Keys.Where(k => k.Mirror == mirror.Number).Select(k => k.Revision).DefaultIfEmpty().Max();

    /// <summary>An object that the test itself damaged on a mirror's disk: a client that gets it sees that, and asks another server.</summary>
    public void Tolerate(ObjectName name) => _tolerated.TryAdd(name.ToString(), 0);

    /// <summary>Throws what was found so far.</summary>
    public void Check()
    {
        foreach (Task watch in _watches.Where(static w => w.IsCompleted))
            watch.GetAwaiter().GetResult();
    }

    /// <summary>Ends the watch and throws what it found.</summary>
    public async Task EndAsync()
    {
        _took = TimeProvider.System.GetElapsedTime(_start);
        await _enough.CancelAsync();
        await Task.WhenAll(_watches);
    }

    /// <summary>What was read, and what was not answered.</summary>
    public override string ToString()
    {
        double seconds = (_took > TimeSpan.Zero ? _took : TimeProvider.System.GetElapsedTime(_start)).TotalSeconds;
        string away = string.Concat(_unanswered.OrderByDescending(u => u.Value).Select(u => $"\n{u.Value,6}  {u.Key}"));
        return FormattableString.Invariant(
            $"the watcher read {Reads} files in {seconds:0.0} s ({Reads / seconds:0.0} a second), {_readsOf.Keys.Select(k => k.Revision).Distinct().Count()} different revisions; {_tolerated.Values.Sum()} reads met what the test had damaged; {_unanswered.Values.Sum()} questions were not answered{away}");
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
    }

    private async Task WatchAsync(ClusterNode mirror, Random random)
    {
        using var source = new HttpSource(new Uri($"{mirror.Http}/cvmfs/{_fqrn}/"), null, Patience);
        ulong last = 0;
        while (!_enough.IsCancellationRequested)
        {
            try
            {
                last = await ReadAsync(mirror, source, last, random);
            }
            catch (OperationCanceledException) when (_enough.IsCancellationRequested)
            {
                return;
            }
            catch (RepositoryUnreachableException e)
            {
                _unanswered.AddOrUpdate($"{MirrorSites.IdOf(mirror)}: {Kind(e)}", 1, (_, n) => n + 1);
            }
            catch (RepositoryNotFoundException) when (last == 0)
            {
                // It has not heard of the repository yet.
            }
            catch (Exception e) when (_tolerated.Keys.FirstOrDefault(t => e.Message.Contains(t, StringComparison.Ordinal)) is { } damaged)
            {
                _tolerated.AddOrUpdate(damaged, 1, (_, n) => n + 1);
            }
            catch (Exception e) when (e is not HistoryViolationException)
            {
                throw new HistoryViolationException($"Mirror {MirrorSites.IdOf(mirror)} serves something after revision {last} that is not complete: {e.GetType().Name}: {e.Message}");
            }

            await Task.Delay(Interval, _enough.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<ulong> ReadAsync(ClusterNode mirror, HttpSource source, ulong last, Random random)
    {
        await using RepositoryReader reader = await RepositoryReader.OpenAsync(
            source, [_publicKey], new RepositoryReaderOptions { ExpectedName = _fqrn }, _enough.Token);
        _history.Saw(reader.Revision, reader.RootHash.ToString());
        if (reader.Revision < last)
            throw new HistoryViolationException($"Mirror {MirrorSites.IdOf(mirror)} serves revision {reader.Revision} after {last}.");
        if (await OneOfAsync(reader.ListAsync(StoreRoot, includeHidden: false, _enough.Token), random) is { } path
            && await OneOfAsync(FilesAsync(reader, path), random) is { } file)
        {
            await reader.CopyToAsync(file, Stream.Null, _enough.Token);
            _readsOf.AddOrUpdate((mirror.Number, reader.Revision), 1, (_, n) => n + 1);
        }

        return reader.Revision;
    }

    private async IAsyncEnumerable<CatalogEntry> FilesAsync(RepositoryReader reader, CatalogEntry path)
    {
        await foreach (CatalogEntry entry in reader.WalkAsync(path.Path, includeHidden: true, _enough.Token))
        {
            if (entry.Type == EntryType.Regular)
                yield return entry;
        }
    }

    private static async Task<CatalogEntry?> OneOfAsync(IAsyncEnumerable<CatalogEntry> entries, Random random)
    {
        CatalogEntry? chosen = null;
        int seen = 0;
        await foreach (CatalogEntry entry in entries)
        {
            if (random.Next(++seen) == 0)
                chosen = entry;
        }

        return chosen;
    }

    // The same failure of different objects is one line.
    private static string Kind(RepositoryUnreachableException e)
    {
        string text = e.Message;
        int url = text.IndexOf("http://", StringComparison.Ordinal);
        int end = url < 0 ? -1 : text.IndexOf(' ', url);
        return end < 0 ? text : text[..url] + "…" + text[end..];
    }
}
