using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.FaultTests.Collection;

/// <summary>
/// Looks at the folders that servers serve from, also while a process is dead or frozen: whatever revision is named there, everything it reaches has to be there.
/// One that is superseded while it is looked at has to be whole for as long as its grace lasts.
/// </summary>
internal sealed class ServedWatcher(LifeCluster cluster, string fqrn, string publicKey, TimeSpan grace) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);
    private readonly ConcurrentDictionary<string, (int Looks, int TooSlow, string Last)> _seen = new();

    /// <summary>Looks at every server in turn until it is enough.</summary>
    /// <exception cref="InvalidOperationException">Something that is served is not there.</exception>
    public Task RunAsync(CancellationToken enough) => Task.WhenAll(cluster.Servers.Select(s => WatchAsync(s.Name, s.Node, enough)));

    public void Dispose() => _one.Dispose();

    /// <summary>How many revisions were looked at.</summary>
    public string Counts => string.Join(", ", _seen.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}: {s.Value.Looks} revisions whole{(s.Value.TooSlow > 0 ? $" ({s.Value.TooSlow} took longer than the grace)" : "")}"));

    /// <summary>Relative paths of everything that the served revision and its tags need.</summary>
    /// <exception cref="InvalidOperationException">Something of it is not there.</exception>
    public async Task<IReadOnlySet<string>> ReachedAsync(string name, ClusterNode node)
    {
        string folder = FolderOf(node);
        var audit = CatalogAudit.Run(folder);
        HashSet<string> reached = [.. audit.Objects];
        List<string> findings = [.. audit.Findings];
        foreach (RepositoryTag tag in await TagsAsync(folder))
        {
            var tagged = CatalogAudit.Run(folder, tag.RootHash.ToString(), tag.RootSize);
            reached.UnionWith(tagged.Objects);
            findings.AddRange(tagged.Findings.Select(f => $"tag {tag.Name}: {f}"));
        }

        return findings.Count == 0 ? reached : throw new InvalidOperationException($"{name} at {RootOf(folder)}: {string.Join("\n", findings.Take(20))}");
    }

    public string FolderOf(ClusterNode node) => Path.Combine(node.Data, "cvmfs", fqrn);

    /// <summary>Revision and root that a server names; null before there are any.</summary>
    public string? NamedBy(ClusterNode node) => File.Exists(Path.Combine(FolderOf(node), ".cvmfspublished")) ? RootOf(FolderOf(node)) : null;

    private async Task WatchAsync(string name, ClusterNode node, CancellationToken enough)
    {
        string last = "";
        while (!enough.IsCancellationRequested)
        {
            if (NamedBy(node) is not { } named || named == last)
            {
                await Task.Delay(50, CancellationToken.None);
                continue;
            }

            await _one.WaitAsync(CancellationToken.None);
            try
            {
                last = named = NamedBy(node)!;
                await LookAsync(name, node, named);
            }
            finally
            {
                _one.Release();
            }
        }
    }

    private async Task LookAsync(string name, ClusterNode node, string named)
    {
        long start = Stopwatch.GetTimestamp();
        bool slow = false;
        try
        {
            await Task.Run(() => ReachedAsync(name, node));
        }
        catch (Exception e) when (e is InvalidOperationException or IOException or InvalidDataException or KeyNotFoundException or ObjectMissingException)
        {
            // One that is served still must be whole; one that is not, for a grace after it was replaced, and that came after the beginning.
            slow = NamedBy(node) != named && Stopwatch.GetElapsedTime(start) >= grace;
            if (!slow)
                throw new InvalidOperationException($"{name}, looked at for {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s as {named}, now {NamedBy(node)}: {e.Message}", e);
        }

        _seen.AddOrUpdate(name, _ => (slow ? 0 : 1, slow ? 1 : 0, named), (_, s) => (s.Looks + (slow ? 0 : 1), s.TooSlow + (slow ? 1 : 0), named));
    }

    private async Task<IReadOnlyList<RepositoryTag>> TagsAsync(string folder)
    {
        await using RepositoryReader reader = await RepositoryReader.OpenAsync(
            new DirectorySource(folder), [publicKey], new RepositoryReaderOptions { ExpectedName = fqrn }, CancellationToken.None);
        return [.. (await reader.TagsAsync(CancellationToken.None)).DistinctBy(t => t.RootHash).Where(t => t.RootHash != reader.RootHash)];
    }

    private static string RootOf(string folder) => string.Join(' ', Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(folder, ".cvmfspublished")))
        .Split('\n').TakeWhile(l => l != "--").Where(l => l.Length > 0 && l[0] is 'S' or 'C' or 'H').Order(StringComparer.Ordinal));
}
