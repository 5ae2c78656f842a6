using CvmfsNix.Cluster.Nix.PathInfos;

namespace CvmfsNix.Cluster.FaultTests.Checking;

/// <summary>What a builder was told about a transaction.</summary>
internal sealed record Acknowledgement(string Transaction, string Status, ulong Revision, string RootHash);

/// <summary>
/// Everything that was ever acknowledged or seen, and the rules between these facts: a revision has one root hash for ever,
/// a transaction one answer. Thread-safe.
/// </summary>
internal sealed class HistoryLog
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Acknowledgement> _acknowledged = [];
    private readonly Dictionary<ulong, string> _rootHashes = [];
    private readonly Dictionary<string, PathInfo> _paths = [];

    /// <summary>Highest revision anybody was told of.</summary>
    public ulong HighestRevision
    {
        get
        {
            lock (_lock)
                return _rootHashes.Count == 0 ? 0 : _rootHashes.Keys.Max();
        }
    }

    public IReadOnlyList<Acknowledgement> Acknowledged
    {
        get
        {
            lock (_lock)
                return [.. _acknowledged.Values];
        }
    }

    /// <summary>Paths that acknowledged transactions contain, by store path.</summary>
    public IReadOnlyList<PathInfo> Paths
    {
        get
        {
            lock (_lock)
                return [.. _paths.Values];
        }
    }

    public bool IsAcknowledged(string transaction)
    {
        lock (_lock)
            return _acknowledged.ContainsKey(transaction);
    }

    /// <summary>The first answer to a transaction; null while there is none.</summary>
    public Acknowledgement? Find(string transaction)
    {
        lock (_lock)
            return _acknowledged.GetValueOrDefault(transaction);
    }

    /// <summary>A revision was served or named in an answer.</summary>
    /// <exception cref="HistoryViolationException">It had another root hash before.</exception>
    public void Saw(ulong revision, string rootHash)
    {
        lock (_lock)
        {
            if (_rootHashes.TryGetValue(revision, out string? before) && before != rootHash)
                throw new HistoryViolationException($"Revision {revision} had the root hash {before} and now has {rootHash}.");
            _rootHashes[revision] = rootHash;
        }
    }

    /// <summary>A builder got an answer.</summary>
    /// <exception cref="HistoryViolationException">It contradicts an earlier one.</exception>
    public void Acknowledge(Acknowledgement answer, IEnumerable<PathInfo> paths)
    {
        lock (_lock)
        {
            if (_acknowledged.TryGetValue(answer.Transaction, out Acknowledgement? before)
                && (before.Revision != answer.Revision || before.RootHash != answer.RootHash))
                throw new HistoryViolationException($"Transaction {answer.Transaction} was answered {before} and now {answer}.");
            Saw(answer.Revision, answer.RootHash);
            _acknowledged.TryAdd(answer.Transaction, answer);
            foreach (PathInfo path in paths)
                _paths.TryAdd(path.Path.Value, path);
        }
    }

    /// <summary>
    /// Nothing was applied twice: every revision after the first was made by at least one transaction that names it, none by nobody.
    /// </summary>
    /// <param name="head">The newest revision, everything that was asked for being acknowledged.</param>
    public void CheckEveryRevisionIsSomebodys(ulong head)
    {
        lock (_lock)
        {
            HashSet<ulong> named = [.. _acknowledged.Values.Where(a => a.Status == "committed").Select(a => a.Revision)];
            for (ulong revision = 2; revision <= head; revision++)
            {
                if (!named.Contains(revision))
                    throw new HistoryViolationException($"Revision {revision} of {head} belongs to no acknowledged transaction: something was applied twice.");
            }

            if (named.Count > 0 && named.Max() > head)
                throw new HistoryViolationException($"Revision {named.Max()} was acknowledged, the repository is at {head}.");
        }
    }
}

/// <summary>Two facts of a history cannot both be true.</summary>
internal sealed class HistoryViolationException(string message) : Exception(message);
