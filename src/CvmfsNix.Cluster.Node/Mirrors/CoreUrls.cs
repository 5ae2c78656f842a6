namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>
/// The core nodes a mirror may ask, in turn: those it was given, and those they told it of, which are forgotten when another node tells otherwise.
/// Not thread-safe.
/// </summary>
public sealed class CoreUrls(IReadOnlyList<Uri> configured)
{
    private readonly List<Uri> _learnt = [];
    private int _next;
    private int _triedSince;

    /// <summary>All of them, the given ones first.</summary>
    public IReadOnlyList<Uri> All => [.. configured.Concat(_learnt)];

    /// <summary>Whether every node has been tried since the last success.</summary>
    public bool RoundDone => _triedSince >= All.Count;

    /// <summary>The node to try now.</summary>
    public Uri Next()
    {
        IReadOnlyList<Uri> all = All;
        _triedSince++;
        return all[_next++ % all.Count];
    }

    /// <summary>The node answered: the round begins anew with the one after it.</summary>
    public void Answered() => _triedSince = 0;

    /// <summary>A round was done in vain; another one begins.</summary>
    public void BeginRound() => _triedSince = 0;

    /// <summary>Takes what a node told of the core; texts that are no URLs are passed over.</summary>
    public void Learn(IEnumerable<string> urls)
    {
        ArgumentNullException.ThrowIfNull(urls);
        _learnt.Clear();
        foreach (string text in urls)
        {
            if (Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out Uri? url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps)
                && !configured.Contains(url) && !_learnt.Contains(url))
            {
                _learnt.Add(url);
            }
        }
    }
}
