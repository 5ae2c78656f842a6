using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>A small file of a cache, ready to be sent.</summary>
/// <param name="Body">Its bytes.</param>
/// <param name="Tag">Its entity tag, quoted.</param>
internal sealed record CachedFile(byte[] Body, string Tag)
{
    private const int TagBytes = 12;

    public static CachedFile Of(byte[] body) => new(body, $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, TagBytes))}\"");
}

/// <summary>
/// A repository as a binary cache shows it: the paths of the revision that this node serves, from the path index, and archives put together
/// from its catalogs and objects. Thread-safe.
/// </summary>
internal sealed class CacheRepository(RepositoryStore store, Func<ObjectName, CancellationToken, Task<bool>>? bring) : IDisposable
{
    private const int NarHashLength = 52;
    private const long NarInfosWeightMax = 64L << 20;
    private const long ArchivesWeightMax = 64L << 20;
    private const int EntryOverhead = 200;

    private readonly CommittedTrees _trees = new(store, bring);
    private readonly RecentlyUsed<(string Hash, bool Zstd), CachedFile> _narInfos = new(NarInfosWeightMax, f => f.Body.Length + EntryOverhead);
    private readonly RecentlyUsed<StorePathName, CommittedArchive> _archives = new(ArchivesWeightMax, a => a.MemorySize);
    private ServedState _served = new(-1, 0);
    private long _indexChanges;

    public RepositoryStore Store => store;

    /// <summary>What is told of the cache as a whole. The priority is that of a cache one asks before the public one.</summary>
    public CachedFile Info() => CachedFile.Of(Encoding.ASCII.GetBytes(
        $"StoreDir: {store.Format.StoreDirectory.Value}\nWantMassQuery: 1\nPriority: 30\n"));

    /// <summary>The path with that hash part; null when what is served here does not have it.</summary>
    public IndexedPath? Find(string hashPart) => store.Index.Paths.FindByHashPart(hashPart) is { } path && path.Revision <= ServedRevision ? path : null;

    /// <summary>The narinfo of the path with that hash part; null when what is served here does not have it.</summary>
    public CachedFile? FindNarInfo(string hashPart, bool zstd)
    {
        long changes = store.Index.Paths.Changes;
        if (Interlocked.Exchange(ref _indexChanges, changes) != changes)
            _narInfos.Clear();
        if (_narInfos.TryGet((hashPart, zstd), out CachedFile? known))
            return known;
        if (Find(hashPart) is not { } path)
            return null;
        NarInfo info = NarInfo.Create(store.Format.StoreDirectory, path.Info, "nar/" + NarName(path.Info.Path, path.Info.NarHash, zstd), zstd ? NarCompression.Zstd : NarCompression.None);
        if (!zstd)
            info = info with { FileHash = path.Info.NarHash, FileSize = path.Info.NarSize };
        var file = CachedFile.Of(Encoding.ASCII.GetBytes(info.ToString()));
        _narInfos.Add((hashPart, zstd), file);
        return file;
    }

    /// <summary>The path whose archive is served under a name; null when there is none.</summary>
    public IndexedPath? FindByNarName(string name, bool zstd)
    {
        int dash = StorePathName.HashLength;
        string suffix = SuffixOf(zstd);
        return name.Length == dash + 1 + NarHashLength + suffix.Length && name[dash] == '-' && name.EndsWith(suffix, StringComparison.Ordinal)
            && Find(name[..dash]) is { } path && NarName(path.Info.Path, path.Info.NarHash, zstd) == name
            ? path
            : null;
    }

    /// <summary>The archive of a path; null when the catalogs that are served do not have it.</summary>
    public async Task<CommittedArchive?> ArchiveAsync(StorePathName path, CancellationToken ct)
    {
        if (_archives.TryGet(path, out CommittedArchive? known))
            return known;
        if (await _trees.FindAsync(path, ct) is not { } tree)
            return null;
        var archive = new CommittedArchive(store, tree, bring);
        _archives.Add(path, archive);
        return archive;
    }

    /// <inheritdoc/>
    public void Dispose() => _trees.Dispose();

    // The name holds both hashes: it stays good for ever, and never names anything else.
    private static string NarName(StorePathName path, NarHash hash, bool zstd) =>
        string.Create(CultureInfo.InvariantCulture, $"{path.Value.AsSpan(0, StorePathName.HashLength)}-{hash.ToString().AsSpan("sha256:".Length)}{SuffixOf(zstd)}");

    private static string SuffixOf(bool zstd) => zstd ? ".nar.zst" : ".nar";

    // The index may be ahead of what is served, on the node that leads and while a replica indexes.
    private ulong ServedRevision
    {
        get
        {
            ServedState served = Volatile.Read(ref _served);
            long sequence = store.AppliedSequence;
            if (served.Sequence != sequence)
                Volatile.Write(ref _served, served = new ServedState(sequence, store.Served?.Revision ?? 0));
            return served.Revision;
        }
    }

    private sealed record ServedState(long Sequence, ulong Revision);
}
