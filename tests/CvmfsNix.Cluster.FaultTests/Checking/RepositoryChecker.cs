using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.FaultTests.Checking;

/// <summary>
/// Reads a repository as any client could, over HTTP or from a folder, given nothing but its public key, and compares it with
/// what was acknowledged. A location is the URL of a node's data port, or the path of a repository folder.
/// </summary>
internal sealed class RepositoryChecker(string fqrn, string publicKeyPem, HistoryLog history)
{
    private const uint ExecuteBit = 0b001_000_000;

    private static readonly RepositoryPath StoreRoot = RepositoryPath.Parse(StoreDirectory.Default.Value);

    /// <summary>Signatures, revision, and that every acknowledged path is listed once.</summary>
    public async Task CheckListingAsync(string location, CancellationToken cancellationToken)
    {
        await using RepositoryReader reader = await OpenAsync(SourceOf(location), cancellationToken);
        await CheckListingAsync(reader, cancellationToken);
    }

    /// <summary>
    /// The same, and everything reachable is read: each catalog and object is hashed by the reader, each acknowledged path's
    /// archive is put together from what is served and hashed against what Nix registered.
    /// </summary>
    public Task<ulong> CheckEverythingAsync(string location, CancellationToken cancellationToken) =>
        CheckEverythingAsync(SourceOf(location), cancellationToken);

    /// <summary>The same of any source.</summary>
    public async Task<ulong> CheckEverythingAsync(IRepositorySource source, CancellationToken cancellationToken)
    {
        await using RepositoryReader reader = await OpenAsync(source, cancellationToken);
        await CheckListingAsync(reader, cancellationToken);

        var acknowledged = history.Paths.ToDictionary(p => p.Path.Value);
        var seen = new HashSet<RepositoryPath>();
        await foreach (CatalogEntry entry in reader.WalkAsync(RepositoryPath.Root, includeHidden: true, cancellationToken))
        {
            if (!seen.Add(entry.Path))
                throw new HistoryViolationException($"{entry.Path} is listed twice.");
            bool inAcknowledgedPath = entry.Path.IsAtOrBelow(StoreRoot) && entry.Path != StoreRoot && acknowledged.ContainsKey(TopName(entry.Path));
            // The contents of acknowledged paths are read below, for their archive hashes.
            if (entry.Type == EntryType.Regular && !inAcknowledgedPath)
                await reader.CopyToAsync(entry, Stream.Null, cancellationToken);
        }

        foreach (PathInfo path in acknowledged.Values)
        {
            NarHash served = await HashAsync(reader, path.Path, cancellationToken);
            if (served != path.NarHash)
                throw new HistoryViolationException($"{path.Path} is served with NAR hash {served}, acknowledged with {path.NarHash}.");
        }

        _ = await reader.TagsAsync(cancellationToken);
        return reader.Revision;
    }

    /// <summary>Bytes of the newest root: what two states are compared by.</summary>
    public async Task<(ulong Revision, string RootHash)> HeadAsync(string location, CancellationToken cancellationToken)
    {
        await using RepositoryReader reader = await OpenAsync(SourceOf(location), cancellationToken);
        return (reader.Revision, reader.RootHash.ToString());
    }

    private IRepositorySource SourceOf(string location) => location.StartsWith('/')
        ? new DirectorySource(location)
        : new HttpSource(new Uri($"{location.TrimEnd('/')}/cvmfs/{fqrn}/"));

    private async Task<RepositoryReader> OpenAsync(IRepositorySource source, CancellationToken cancellationToken)
    {
        RepositoryReader reader = await RepositoryReader.OpenAsync(
            source, [publicKeyPem], new RepositoryReaderOptions { ExpectedName = fqrn }, cancellationToken);
        ulong told = history.HighestRevision;
        if (reader.Revision < told)
            throw new HistoryViolationException($"Revision {reader.Revision} is served after revision {told} was seen.");
        history.Saw(reader.Revision, reader.RootHash.ToString());
        return reader;
    }

    private async Task CheckListingAsync(RepositoryReader reader, CancellationToken cancellationToken)
    {
        var listed = new HashSet<string>();
        await foreach (CatalogEntry entry in reader.ListAsync(StoreRoot, includeHidden: false, cancellationToken))
        {
            string name = TopName(entry.Path);
            if (!listed.Add(name))
                throw new HistoryViolationException($"{name} is listed twice in {StoreRoot}.");
        }

        string[] missing = [.. history.Paths.Select(p => p.Path.Value).Where(p => !listed.Contains(p))];
        if (missing.Length > 0)
            throw new HistoryViolationException($"{missing.Length} acknowledged paths are missing at revision {reader.Revision}, first {missing[0]}.");
    }

    private static string TopName(RepositoryPath path)
    {
        string below = path.ToString()[(StoreRoot.ToString().Length + 1)..];
        int slash = below.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? below : below[..slash];
    }

    private static async Task<NarHash> HashAsync(RepositoryReader reader, StorePathName path, CancellationToken cancellationToken)
    {
        CatalogEntry root = await reader.FindAsync(StoreRoot.Combine(path.Value), cancellationToken)
            ?? throw new HistoryViolationException($"{path} is listed and cannot be looked up.");
        using var archive = new NarHashBuilder();
        await AddAsync(root, ReadOnlyMemory<byte>.Empty);
        return archive.Finish().Hash;

        async Task AddAsync(CatalogEntry entry, ReadOnlyMemory<byte> name)
        {
            switch (entry.Type)
            {
                case EntryType.Directory:
                    archive.BeginDirectory(name.Span);
                    var children = new List<CatalogEntry>();
                    await foreach (CatalogEntry child in reader.ListAsync(entry.Path, includeHidden: false, cancellationToken))
                        children.Add(child);
                    foreach (CatalogEntry child in children)
                        await AddAsync(child, child.Path.Name);
                    archive.EndDirectory();
                    break;
                case EntryType.Regular:
                    using (var content = new MemoryStream())
                    {
                        await reader.CopyToAsync(entry, content, cancellationToken);
                        archive.BeginFile(name.Span, (entry.Mode & ExecuteBit) != 0, content.Length);
                        archive.AppendFile(content.GetBuffer().AsSpan(0, (int)content.Length));
                        archive.EndFile();
                    }

                    break;
                case EntryType.Symlink:
                    archive.Symlink(name.Span, entry.SymlinkTarget.Span);
                    break;
                default:
                    throw new HistoryViolationException($"{entry.Path} is no file that a store path may hold.");
            }
        }
    }
}
