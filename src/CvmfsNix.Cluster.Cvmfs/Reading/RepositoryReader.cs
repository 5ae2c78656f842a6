using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>
/// Reads one revision of a repository and believes nothing: the manifest, certificate and whitelist as a stock client does, then every object against its name
/// and every size against what the catalog recorded. Thread-safe. Catalogs are unpacked into a private folder that goes with the reader.
/// </summary>
/// <remarks>
/// Failures keep their kinds apart: <see cref="RepositoryTrustException"/> (not to be believed), <see cref="ObjectMissingException"/>, <see cref="ObjectCorruptException"/>,
/// <see cref="CatalogFormatException"/>, and <see cref="RepositoryUnreachableException"/> (nothing is known; try again).
/// </remarks>
public sealed class RepositoryReader : IAsyncDisposable
{
    /// <summary>Name of the manifest file.</summary>
    public const string ManifestFile = ".cvmfspublished";

    /// <summary>Name of the whitelist file.</summary>
    public const string WhitelistFile = ".cvmfswhitelist";

    private readonly ObjectFetcher _fetcher;
    private readonly CatalogCache _catalogs;
    private readonly string _cacheDirectory;
    private readonly RepositoryReaderOptions _options;
    private long _rootSize;

    private RepositoryReader(ObjectFetcher fetcher, SignedManifest manifest, SignedWhitelist whitelist, RepositoryReaderOptions options)
    {
        _fetcher = fetcher;
        _options = options;
        SignedManifest = manifest;
        SignedWhitelist = whitelist;
        RootHash = manifest.Manifest.RootHash;
        Revision = manifest.Manifest.Revision;
        _rootSize = manifest.Manifest.RootSize;
        _cacheDirectory = CreateCacheDirectory(options.CacheDirectory);
        _catalogs = new CatalogCache(fetcher, _cacheDirectory, options.OpenCatalogsMax, options.DatabaseBytesMax);
    }

    /// <summary>The verified manifest; always the newest, also when a tag is read.</summary>
    public Manifest Manifest => SignedManifest.Manifest;

    /// <summary>The verified manifest with its bytes.</summary>
    public SignedManifest SignedManifest { get; }

    /// <summary>The verified whitelist.</summary>
    public Whitelist Whitelist => SignedWhitelist.Whitelist;

    /// <summary>The verified whitelist with its bytes.</summary>
    public SignedWhitelist SignedWhitelist { get; }

    /// <summary>Root catalog of the revision being read.</summary>
    public ObjectHash RootHash { get; private set; }

    /// <summary>Revision being read.</summary>
    public ulong Revision { get; private set; }

    /// <summary>Catalogs that are open now, for the bound's test.</summary>
    internal int OpenCatalogs => _catalogs.OpenCount;

    /// <summary>Verifies the head of a repository and gets ready to read.</summary>
    /// <param name="source">Where from; stays the caller's.</param>
    /// <param name="masterPublicKeyPems">Keys of which one must have signed the whitelist.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="RepositoryNotFoundException">No manifest there.</exception>
    /// <exception cref="RepositoryTrustException">A step of the verification failed; says which.</exception>
    /// <exception cref="RepositoryUnreachableException">The source failed.</exception>
    /// <exception cref="KeyFileException">A given key is none.</exception>
    public static async Task<RepositoryReader> OpenAsync(
        IRepositorySource source, IReadOnlyList<string> masterPublicKeyPems, RepositoryReaderOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(masterPublicKeyPems);
        ArgumentNullException.ThrowIfNull(options);
        var fetcher = new ObjectFetcher(source);
        var (manifest, whitelist) = await VerifyHeadAsync(fetcher, source.Description, masterPublicKeyPems, options, cancellationToken).ConfigureAwait(false);
        var reader = new RepositoryReader(fetcher, manifest, whitelist, options);
        try
        {
            if (options.Tag is { } tag) await reader.SelectTagAsync(tag, cancellationToken).ConfigureAwait(false);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The entry of a path, or null; hidden entries too. A transition point is given as its parent catalog has it.</summary>
    public async Task<CatalogEntry?> FindAsync(RepositoryPath path, CancellationToken cancellationToken)
    {
        using var lease = await LocateAsync(path, alsoMountedHere: false, cancellationToken).ConfigureAwait(false);
        return lease.Catalog.Find(path);
    }

    /// <summary>Entries of a directory, bytewise by name.</summary>
    /// <exception cref="RepositoryPathException">No such directory.</exception>
    public async IAsyncEnumerable<CatalogEntry> ListAsync(RepositoryPath directory, bool includeHidden = false, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var lease = await LocateAsync(directory, alsoMountedHere: true, cancellationToken).ConfigureAwait(false);
        var self = lease.Catalog.Find(directory) ?? throw new RepositoryPathException(directory, "does not exist");
        if (self.Type != EntryType.Directory) throw new RepositoryPathException(directory, "is not a directory");
        foreach (var entry in lease.Catalog.List(directory))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (includeHidden || !entry.IsHidden) yield return entry;
        }
    }

    /// <summary>An entry and everything below it across nested catalogs: a directory, then its entries bytewise by name, each with what is below it. Bind mount points are not entered.</summary>
    /// <exception cref="RepositoryPathException">No such path.</exception>
    public async IAsyncEnumerable<CatalogEntry> WalkAsync(RepositoryPath from, bool includeHidden = false, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var first = await FindAsync(from, cancellationToken).ConfigureAwait(false) ?? throw new RepositoryPathException(from, "does not exist");
        yield return first;
        if (first.Type != EntryType.Directory) yield break;
        var levels = new Stack<Level>();
        try
        {
            var lease = await LocateAsync(from, alsoMountedHere: true, cancellationToken).ConfigureAwait(false);
            levels.Push(new Level(lease.Catalog, lease, lease.Catalog.List(from).GetEnumerator()));
            while (levels.TryPeek(out var level))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!level.Entries.MoveNext())
                {
                    levels.Pop().Dispose();
                    continue;
                }

                var entry = level.Entries.Current;
                if (entry.IsHidden && !includeHidden) continue;
                yield return entry;
                if (entry.Type == EntryType.Directory) levels.Push(await EnterAsync(level.Catalog, entry, cancellationToken).ConfigureAwait(false));
            }
        }
        finally
        {
            while (levels.TryPop(out var level)) level.Dispose();
        }
    }

    /// <summary>Copies a file's content. On an exception the destination holds bytes that are not to be used.</summary>
    /// <inheritdoc cref="OpenFileAsync"/>
    public async Task CopyToAsync(CatalogEntry file, Stream destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var content = await OpenFileAsync(file, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false)) await content.CopyToAsync(destination, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens a file's content. Each object is verified as it is read; its last bytes come only when all of it was right. Prefer asynchronous reads.</summary>
    /// <exception cref="RepositoryPathException">Not a regular file, or one whose content is kept outside the repository.</exception>
    /// <exception cref="ObjectMissingException">An object is not in the source.</exception>
    /// <exception cref="ObjectCorruptException">An object is not what its name or the catalog promises; also thrown from reads.</exception>
    public async Task<Stream> OpenFileAsync(CatalogEntry file, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Type != EntryType.Regular) throw new RepositoryPathException(file.Path, "is not a regular file");
        if (file.IsExternal) throw new RepositoryPathException(file.Path, "is external: its content is not kept in the repository");
        IReadOnlyList<(ObjectName, long)> parts = file.Chunks.Count > 0
            ? [.. file.Chunks.Select(chunk => (new ObjectName(chunk.Hash, ObjectKind.Chunk), chunk.Size))]
            : file.Hash is { } hash ? [(new ObjectName(hash, ObjectKind.Data), file.Size)] : throw new CatalogFormatException($"The row of {file.Path} is bad: it has neither hash nor chunks.");
        var content = new FileContentStream(_fetcher, parts, file.Compression);
        await content.StartAsync(cancellationToken).ConfigureAwait(false);
        return content;
    }

    /// <summary>All tags, newest revision first; empty when the repository has no tag database.</summary>
    public async Task<IReadOnlyList<RepositoryTag>> TagsAsync(CancellationToken cancellationToken)
    {
        if (Manifest.History is not { } history) return [];
        var file = Path.Combine(_cacheDirectory, $"{Guid.NewGuid():N}.tags");
        await _fetcher.UnpackAsync(new ObjectName(history, ObjectKind.History), null, _options.DatabaseBytesMax, file, cancellationToken).ConfigureAwait(false);
        try
        {
            return TagDatabase.Read(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Closes all catalogs and removes the private folder.</summary>
    public ValueTask DisposeAsync()
    {
        _catalogs.Dispose();
        try
        {
            Directory.Delete(_cacheDirectory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone already: nothing is left behind, which is all that is wanted.
        }

        return default;
    }

    private static async Task<(SignedManifest, SignedWhitelist)> VerifyHeadAsync(
        ObjectFetcher fetcher, string where, IReadOnlyList<string> masterPublicKeyPems, RepositoryReaderOptions options, CancellationToken cancellationToken)
    {
        var keys = new List<RSA>();
        try
        {
            foreach (var pem in masterPublicKeyPems) keys.Add(RepositoryKeys.ReadPublicKeyPem(pem));
            var manifestBytes = await fetcher.ReadNamedAsync(ManifestFile, cancellationToken).ConfigureAwait(false)
                ?? throw new RepositoryNotFoundException($"There is no repository at {where}: {ManifestFile} is missing.");
            var manifest = Step(TrustStep.ManifestFormat, () => Manifest.ParseSigned(manifestBytes));
            var name = options.ExpectedName ?? manifest.Manifest.RepositoryName;
            Demand(manifest.Manifest.RepositoryName == name, TrustStep.ManifestName, $"The manifest at {where} is of {manifest.Manifest.RepositoryName}, not of {name}.");

            var certificate = await CertificateAsync(fetcher, manifest.Manifest.Certificate, where, cancellationToken).ConfigureAwait(false);
            Demand(manifest.Verify(certificate), TrustStep.ManifestSignature, $"The manifest at {where} is not signed by its certificate, or was changed.");

            var whitelistBytes = await fetcher.ReadNamedAsync(WhitelistFile, cancellationToken).ConfigureAwait(false)
                ?? throw new RepositoryTrustException(TrustStep.WhitelistFormat, $"{WhitelistFile} is missing at {where}.");
            var whitelist = Step(TrustStep.WhitelistFormat, () => Whitelist.ParseSigned(whitelistBytes));
            Demand(!whitelist.Whitelist.IsExpiredAt(options.Clock.GetUtcNow()), TrustStep.WhitelistExpiry, $"The whitelist at {where} expired in the hour of {whitelist.Whitelist.ExpiresAt:u}; the repository's owner must renew it.");
            Demand(whitelist.Whitelist.RepositoryName == name, TrustStep.WhitelistName, $"The whitelist at {where} is of {whitelist.Whitelist.RepositoryName}, not of {name}.");
            Demand(whitelist.Verify(keys), TrustStep.WhitelistSignature, $"The whitelist at {where} is not signed by any of the given {keys.Count} master keys, or was changed.");
            Demand(whitelist.Whitelist.Lists(certificate), TrustStep.CertificateListed, $"The whitelist at {where} does not list the certificate {certificate.Fingerprint()}.");
            return (manifest, whitelist);
        }
        finally
        {
            foreach (var key in keys) key.Dispose();
        }
    }

    private static async Task<RepositoryCertificate> CertificateAsync(ObjectFetcher fetcher, ObjectHash hash, string where, CancellationToken cancellationToken)
    {
        try
        {
            return RepositoryCertificate.Parse(await fetcher.ReadSmallAsync(new ObjectName(hash, ObjectKind.Certificate), cancellationToken).ConfigureAwait(false));
        }
        catch (Exception e) when (e is ObjectMissingException or ObjectCorruptException or CertificateFormatException)
        {
            throw new RepositoryTrustException(TrustStep.Certificate, $"The certificate of the manifest at {where} is no good: {e.Message}", e);
        }
    }

    private static T Step<T>(TrustStep step, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is ManifestFormatException or WhitelistFormatException)
        {
            throw new RepositoryTrustException(step, e.Message, e);
        }
    }

    private static void Demand(bool good, TrustStep step, string message)
    {
        if (!good) throw new RepositoryTrustException(step, message);
    }

    private static string CreateCacheDirectory(string? parent)
    {
        if (parent is null) return Directory.CreateTempSubdirectory("cvmfs-catalogs-").FullName;
        return Directory.CreateDirectory(Path.Combine(parent, Guid.NewGuid().ToString("N"))).FullName;
    }

    private async Task SelectTagAsync(string name, CancellationToken cancellationToken)
    {
        var tags = await TagsAsync(cancellationToken).ConfigureAwait(false);
        var tag = tags.FirstOrDefault(t => t.Name == name)
            ?? throw new RepositoryTrustException(TrustStep.Tag, $"The repository {Manifest.RepositoryName} has no tag '{Excerpt.Of(name)}'; it has {tags.Count} tags.");
        RootHash = tag.RootHash;
        Revision = tag.Revision;
        _rootSize = tag.RootSize;
    }

    /// <summary>The catalog that holds the row of a path; with <paramref name="alsoMountedHere"/> the one that holds what is in it.</summary>
    private async Task<CatalogCache.Lease> LocateAsync(RepositoryPath path, bool alsoMountedHere, CancellationToken cancellationToken)
    {
        var lease = await _catalogs.AcquireAsync(RepositoryPath.Root, RootHash, _rootSize, cancellationToken).ConfigureAwait(false);
        try
        {
            while (NestedOnTheWay(lease.Catalog, path, alsoMountedHere) is { } nested)
            {
                var deeper = await _catalogs.AcquireAsync(nested.Path, nested.Hash, nested.Size, cancellationToken).ConfigureAwait(false);
                lease.Dispose();
                lease = deeper;
            }

            return lease;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    private static NestedCatalog? NestedOnTheWay(CatalogReader catalog, RepositoryPath path, bool alsoMountedHere)
    {
        var root = catalog.Properties.RootPrefix;
        if (catalog.Statistics.Self.Nested == 0 && catalog.SchemaRevision >= 5) return null;
        // Component by component from the top: a catalog's nested ones never lie below one another.
        for (var end = root.Bytes.Length + 1; end <= path.Bytes.Length; end++)
        {
            var whole = end == path.Bytes.Length;
            if (whole ? !alsoMountedHere : path.Bytes.Span[end] != (byte)'/') continue;
            if (catalog.FindNested(new RepositoryPath(path.Bytes[..end])) is { } nested) return nested;
        }

        return null;
    }

    private async Task<Level> EnterAsync(CatalogReader catalog, CatalogEntry directory, CancellationToken cancellationToken)
    {
        if (!directory.Flags.HasFlag(CatalogFlags.MountPoint)) return new Level(catalog, null, catalog.List(directory.Path).GetEnumerator());
        var nested = catalog.FindNested(directory.Path) ?? throw new CatalogFormatException($"{directory.Path} is a mount point, but no nested catalog is registered for it.");
        var lease = await _catalogs.AcquireAsync(nested.Path, nested.Hash, nested.Size, cancellationToken).ConfigureAwait(false);
        return new Level(lease.Catalog, lease, lease.Catalog.List(directory.Path).GetEnumerator());
    }

    /// <summary>A directory being walked; the lease is there where it begins a catalog.</summary>
    private sealed record Level(CatalogReader Catalog, CatalogCache.Lease? Lease, IEnumerator<CatalogEntry> Entries) : IDisposable
    {
        public void Dispose()
        {
            Entries.Dispose();
            Lease?.Dispose();
        }
    }
}
