using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Replication;
using CvmfsNix.Cluster.Replication.Filling;
using CvmfsNix.Cluster.Replication.Scrubbing;
using CvmfsNix.Cluster.Replication.Sources;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>Fetches and verifies for one repository's store.</summary>
internal interface IMirrorEngine : IDisposable
{
    /// <summary>Makes everything durable that can be reached from a manifest, with the signatures checked; nothing becomes visible.</summary>
    Task<SignedManifest> FillAsync(FillRequest request, IProgress<FillProgress> progress, CancellationToken ct);

    /// <summary>Fetches record files alone.</summary>
    Task FetchRecordsAsync(IReadOnlyList<string> digests, IProgress<FillProgress> progress, CancellationToken ct);

    /// <summary>Throws unless the whitelist is good under the repository's keys.</summary>
    void CheckWhitelist(ReadOnlyMemory<byte> whitelist);

    /// <summary>Hashes everything anew and mends what is damaged.</summary>
    Task<ScrubResult> ScrubAsync(long bytesPerSecond, IProgress<ScrubProgress> progress, CancellationToken ct);
}

/// <summary>Makes the engine of a store that was opened.</summary>
/// <param name="store">The store.</param>
/// <param name="publicKeyPems">The keys it believes.</param>
internal delegate IMirrorEngine MirrorEngines(RepositoryStore store, IReadOnlyList<string> publicKeyPems);

/// <summary>The engine that fetches packs from the other nodes.</summary>
internal sealed class PackEngine(RepositoryStore store, IReadOnlyList<string> publicKeyPems, FetchSources sources, ReplicationLimits limits, TimeProvider clock) : IMirrorEngine
{
    private readonly ReplicaFiller _filler = new(store, publicKeyPems, sources, limits, clock);

    public async Task<SignedManifest> FillAsync(FillRequest request, IProgress<FillProgress> progress, CancellationToken ct) =>
        (await _filler.FillAsync(request, progress, ct).ConfigureAwait(false)).Manifest;

    public Task FetchRecordsAsync(IReadOnlyList<string> digests, IProgress<FillProgress> progress, CancellationToken ct) => _filler.FetchRecordsAsync(digests, progress, ct);

    public void CheckWhitelist(ReadOnlyMemory<byte> whitelist) => _filler.CheckWhitelist(whitelist);

    public Task<ScrubResult> ScrubAsync(long bytesPerSecond, IProgress<ScrubProgress> progress, CancellationToken ct) =>
        new StoreScrub(store, sources, limits, clock).RunAsync(bytesPerSecond, progress, ct);

    public void Dispose() => _filler.Dispose();
}
