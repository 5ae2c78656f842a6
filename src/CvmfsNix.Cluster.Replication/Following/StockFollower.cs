using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication.Catalogs;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Replication.Trust;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Replication.Following;

/// <summary>
/// Keeps a folder at the newest revision of a repository on stock servers, Stratum 0 or 1: signatures checked as a client does, catalogs walked, only
/// what is missing fetched, several objects at a time, and nothing served before all of it is here. One look at a time; others wait.
/// </summary>
public sealed class StockFollower : IDisposable
{
    private const string MasterReplicaFile = ".cvmfs_master_replica";

    // What stock clients take.
    private const int NamedBytesMax = 1 << 20;

    private readonly StockFollowOptions _options;
    private readonly ReplicationLimits _limits;
    private readonly TimeProvider _clock;
    private readonly ReplicaTarget _target;
    private readonly TrustChain _trust;
    private readonly FetchSources _sources;
    private readonly CatalogShelf _shelf;
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Opens the folders, or makes them.</summary>
    /// <exception cref="IOException">Names the folder.</exception>
    /// <exception cref="ArgumentException">A URL or the name is none.</exception>
    public StockFollower(StockFollowOptions options, ReplicationLimits limits, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(clock);
        if (!RepositoryName.IsValid(options.Repository))
            throw new ArgumentException($"'{options.Repository}' is no repository name.", nameof(options));
        _options = options;
        _limits = limits;
        _clock = clock;
        _sources = FetchSources.Plain(options.RepositoryUrls, limits, clock);
        DurableDirectory.Ensure(options.RepositoryFolder);
        Directory.CreateDirectory(options.WorkFolder);
        _target = new ReplicaTarget(options.Repository, options.RepositoryFolder, options.WorkFolder);
        _trust = new TrustChain(options.Repository, options.MasterPublicKeyPems, clock);
        _shelf = new CatalogShelf(_target, limits);
    }

    /// <summary>
    /// Looks at the servers once. What they publish is served on return, also when only the whitelist was renewed; servers that are behind what is
    /// served already change nothing.
    /// </summary>
    /// <param name="progress">Told a few times a second, from any thread; may be null.</param>
    /// <param name="cancellationToken">Gives up; what came stays.</param>
    /// <exception cref="ReplicationException">Why what they publish is not served. What came stays, and the next look asks for the rest.</exception>
    public async Task<StockFollowResult> SyncAsync(IProgress<FillProgress>? progress, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await LookAsync(progress, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Intake.DiskProblem(e, _target);
        }
        finally
        {
            _shelf.Trim();
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _shelf.Dispose();
        _sources.Dispose();
        _one.Dispose();
    }

    private async Task<StockFollowResult> LookAsync(IProgress<FillProgress>? progress, CancellationToken cancellationToken)
    {
        Manifest? served = ServedState.Read(_options.RepositoryFolder);
        (SignedManifest manifest, byte[] whitelistBytes) = await NewestAsync(served, cancellationToken).ConfigureAwait(false);
        bool sameManifest = await IsServedAsync(RepositoryReader.ManifestFile, manifest.Bytes, cancellationToken).ConfigureAwait(false);
        if (sameManifest && await IsServedAsync(RepositoryReader.WhitelistFile, whitelistBytes, cancellationToken).ConfigureAwait(false))
            return new StockFollowResult(false, manifest.Manifest.Revision, manifest.Manifest.RootHash, 0, 0, []);
        if (served is not null && (manifest.Manifest.Revision < served.Revision || manifest.Manifest.PublishedAt < served.PublishedAt))
            return new StockFollowResult(false, served.Revision, served.RootHash, 0, 0, []);

        SignedWhitelist whitelist = _trust.CheckWhitelist(whitelistBytes);
        var fetch = new RevisionFetch(_target, _shelf, _sources, _limits, _clock, progress, cancellationToken);
        await using (fetch.ConfigureAwait(false))
        {
            await fetch.VerifyAsync(_trust, manifest, whitelist).ConfigureAwait(false);
            if (!sameManifest)
                await fetch.CompleteAsync(manifest.Manifest, served?.RootHash, _options.WithHistory).ConfigureAwait(false);
            await ServeAsync(manifest, whitelist, sameManifest).ConfigureAwait(false);
            return new StockFollowResult(true, manifest.Manifest.Revision, manifest.Manifest.RootHash, fetch.Meter.ObjectsDone, fetch.Pool.Bytes, fetch.TagsSkipped);
        }
    }

    // Of the servers in their order, the first that is not behind what is served; else the newest of them.
    private async Task<(SignedManifest Manifest, byte[] Whitelist)> NewestAsync(Manifest? served, CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        ReplicationException? distrust = null;
        (SignedManifest Manifest, byte[] Whitelist)? best = null;
        foreach (PlainSource source in _sources.Plan.Sources.Cast<PlainSource>())
        {
            try
            {
                byte[] manifestBytes = await source.ReadNamedAsync(RepositoryReader.ManifestFile, NamedBytesMax, cancellationToken).ConfigureAwait(false)
                    ?? throw new SourceException($"{source.Url} has no {RepositoryReader.ManifestFile}.");
                byte[] whitelist = await source.ReadNamedAsync(RepositoryReader.WhitelistFile, NamedBytesMax, cancellationToken).ConfigureAwait(false)
                    ?? throw new SourceException($"{source.Url} has no {RepositoryReader.WhitelistFile}.");
                SignedManifest manifest = _trust.ReadManifest(manifestBytes);
                source.Succeeded();
                if (best is null || manifest.Manifest.Revision > best.Value.Manifest.Manifest.Revision)
                    best = (manifest, whitelist);
                if (served is null || manifest.Manifest.Revision >= served.Revision)
                    break;
            }
            catch (SourceException e)
            {
                source.Failed(e.Message);
                problems.Add(e.Message);
            }
            catch (ReplicationException e)
            {
                distrust ??= e;
            }
        }

        return best ?? throw distrust ?? new ReplicationException(ReplicationFailure.SourcesUnreachable, $"{_options.Repository} cannot be read from any of its servers. {string.Join(" ", problems)}");
    }

    private async Task ServeAsync(SignedManifest manifest, SignedWhitelist whitelist, bool sameManifest)
    {
        // The manifest last; both whitelists fit either manifest.
        await WriteAsync(RepositoryReader.WhitelistFile, whitelist.Bytes).ConfigureAwait(false);
        if (sameManifest)
            return;
        if (!File.Exists(Path.Combine(_options.RepositoryFolder, MasterReplicaFile)))
            await WriteAsync(MasterReplicaFile, "This file allows replication of the repository.\n"u8.ToArray()).ConfigureAwait(false);
        await WriteAsync(RepositoryReader.ManifestFile, manifest.Bytes).ConfigureAwait(false);
    }

    private Task WriteAsync(string name, ReadOnlyMemory<byte> content) => DurableFile.WriteAtomicAsync(
        Path.Combine(_options.RepositoryFolder, "data", "txn"), Path.Combine(_options.RepositoryFolder, name), content, cancellationToken: CancellationToken.None);

    private async Task<bool> IsServedAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string file = Path.Combine(_options.RepositoryFolder, name);
        if (!File.Exists(file))
            return false;
        byte[] served = await File.ReadAllBytesAsync(file, cancellationToken).ConfigureAwait(false);
        return content.Span.SequenceEqual(served);
    }
}
