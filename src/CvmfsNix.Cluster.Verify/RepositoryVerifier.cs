using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Verify.Folders;
using CvmfsNix.Cluster.Verify.Heads;
using CvmfsNix.Cluster.Verify.Objects;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;
using CvmfsNix.Cluster.Verify.StorePaths;
using CvmfsNix.Cluster.Verify.Tags;
using CvmfsNix.Cluster.Verify.Trees;

namespace CvmfsNix.Cluster.Verify;

/// <summary>
/// Checks a whole repository, ours, a replica or a stock one, against every rule of the format a reader can see: first the signed head, then
/// tags and trees of catalogs, then the objects these need, then store paths.
/// </summary>
public sealed class RepositoryVerifier
{
    private const string SnapshotFile = ".cvmfs_last_snapshot";
    private const long TtlSecondsDefault = 240;

    private readonly VerifyRun _run;
    private readonly IReadOnlyList<string> _keys;
    private readonly ObjectReader _reader;

    private RepositoryVerifier(VerifyRun run, IReadOnlyList<string> keys)
    {
        _run = run;
        _keys = keys;
        _reader = new ObjectReader(run);
    }

    /// <summary>Checks the repository behind <paramref name="source"/>.</summary>
    /// <param name="source">HTTP or folder.</param>
    /// <param name="masterPublicKeyPems">Public keys of which one must have signed the whitelist.</param>
    /// <param name="options">What is checked.</param>
    /// <param name="progress">Told now and then, from any thread.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <exception cref="RepositoryNotFoundException">No repository is there.</exception>
    /// <exception cref="RepositoryUnreachableException">It could not be checked to the end.</exception>
    /// <exception cref="RepositoryTrustException">There is no such tag.</exception>
    public static async Task<VerifyReport> RunAsync(
        IRepositorySource source, IReadOnlyList<string> masterPublicKeyPems, VerifyOptions options, IProgress<VerifyProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(masterPublicKeyPems);
        ArgumentNullException.ThrowIfNull(options);
        using var run = new VerifyRun(source, options, progress);
        try
        {
            return await new RepositoryVerifier(run, masterPublicKeyPems).RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not RepositoryUnreachableException)
        {
            throw new RepositoryUnreachableException($"{source.Description} could not be checked to the end: {e.Message}", e);
        }
    }

    private async Task<VerifyReport> RunAsync(CancellationToken cancellationToken)
    {
        long start = _run.Options.Clock.GetTimestamp();
        Manifest? manifest = await new HeadCheck(_run, _reader).CheckAsync(_keys, cancellationToken).ConfigureAwait(false);
        CheckedTag? tag = null;
        long objects = 0, narUnknown = 0;
        if (manifest is not null)
        {
            bool isReplica = await _run.ExistsAsync(SnapshotFile, cancellationToken).ConfigureAwait(false);
            Func<ObjectName, bool> maybeCollected = await new ReflogCheck(_run).CheckAsync(manifest, isReplica, cancellationToken).ConfigureAwait(false);
            var tagCheck = new TagCheck(_run, _reader);
            IReadOnlyList<CheckedTag>? tags = await tagCheck.CheckAsync(manifest, maybeCollected, cancellationToken).ConfigureAwait(false);
            tag = SelectTag(manifest, tags);
            objects = 1 + (manifest.History is null ? 0 : 1) + (manifest.MetaInfo is null ? 0 : 1);
            if (_run.Options.Tag is null || tag is not null)
                objects += await CheckTreesAsync(manifest, tag is null ? tags ?? [] : [tag], isHeadWanted: tag is null, tagCheck, maybeCollected, cancellationToken).ConfigureAwait(false);
            if (_run.Options.Deep && _run.Source is DirectorySource folder)
                StrayFiles.Check(_run, folder.Description, cancellationToken);
            if (_run.Options.NarHashes is { } registration)
                narUnknown = await new StorePathCheck(_run, manifest).CheckAsync(registration, _keys, cancellationToken).ConfigureAwait(false);
        }

        _run.Report();
        (IReadOnlyList<Finding> findings, long leftOut) = _run.Findings.Finish();
        return new VerifyReport
        {
            Repository = manifest?.RepositoryName ?? "",
            Revision = tag is null ? manifest?.Revision ?? 0 : (ulong)tag.Revision,
            RootHash = (tag?.RootHash ?? manifest?.RootHash)?.ToString() ?? "",
            Catalogs = _run.Catalogs,
            Entries = _run.Entries,
            Objects = objects,
            Bytes = _run.Bytes,
            NarPaths = _run.NarPaths,
            NarUnknown = narUnknown,
            Duration = _run.Options.Clock.GetElapsedTime(start),
            Findings = findings,
            FindingsLeftOut = leftOut,
        };
    }

    private CheckedTag? SelectTag(Manifest manifest, IReadOnlyList<CheckedTag>? tags)
    {
        if (_run.Options.Tag is not { } name || tags is null)
            return null;
        return tags.FirstOrDefault(t => t.Name == name)
            ?? (_run.Findings.Has(f => f.Rule is VerifyRules.TagSchema or VerifyRules.TagEntry or VerifyRules.TagTrunk)
                ? null
                : throw new RepositoryTrustException(TrustStep.Tag, $"The repository {manifest.RepositoryName} has no tag \"{Shown.Text(name)}\"; it has {tags.Count} tags."));
    }

    private async Task<long> CheckTreesAsync(
        Manifest manifest, IReadOnlyList<CheckedTag> tags, bool isHeadWanted, TagCheck tagCheck, Func<ObjectName, bool> maybeCollected, CancellationToken cancellationToken)
    {
        using var needed = new NeededObjects(_run.ScratchFile("needs"));
        using var tree = new CatalogTree(_run, _reader, needed);
        if (isHeadWanted)
            await CheckHeadTreeAsync(manifest, tree, maybeCollected, cancellationToken).ConfigureAwait(false);
        foreach (CheckedTag tag in tags)
        {
            // The size in old tag databases is 0 and says nothing; the manifest's then does for the same catalog.
            long size = tag.RootSize == 0 && tag.RootHash == manifest.RootHash ? manifest.RootSize : tag.RootSize;
            var database = new ObjectName(manifest.History ?? tag.RootHash, ObjectKind.History);
            string named = $"the tag \"{Shown.Text(tag.Name)}\"";
            CatalogResult? root = await tree.CheckAsync(
                RepositoryPath.Root, tag.RootHash, size, null, named,
                message => _run.Findings.Add(new Finding(VerifyRules.TagEntry, null, tag.RootHash.ToString(), database.ToString(), message)), cancellationToken).ConfigureAwait(false);
            if (root is not null)
                tagCheck.Compare(tag, root, database);
        }

        await new ObjectPass(_run, _reader).CheckAsync(needed, cancellationToken).ConfigureAwait(false);
        return _run.Catalogs + needed.Count();
    }

    private async Task CheckHeadTreeAsync(Manifest manifest, CatalogTree tree, Func<ObjectName, bool> maybeCollected, CancellationToken cancellationToken)
    {
        CatalogResult? root = await tree.CheckAsync(RepositoryPath.Root, manifest.RootHash, manifest.RootSize, null, "the manifest", null, cancellationToken).ConfigureAwait(false);
        if (root is null)
            return;
        string catalog = manifest.RootHash.ToString();
        if (root.Revision is { } revision && revision != manifest.Revision)
            Say(VerifyRules.ManifestRevision, $"The manifest says revision {manifest.Revision} (S), the root catalog {revision}.");
        if (root.LastModified > manifest.PublishedAt.ToUnixTimeSeconds())
            Say(VerifyRules.ManifestTime, $"The manifest is of {manifest.PublishedAt.ToUnixTimeSeconds()} (T), the root catalog of {root.LastModified}, which is later.");
        if ((root.TtlSeconds ?? TtlSecondsDefault) != manifest.TtlSeconds)
            Say(VerifyRules.ManifestTtl, $"The manifest says {manifest.TtlSeconds} s (D), the root catalog {root.TtlSeconds?.ToString() ?? $"nothing, that is {TtlSecondsDefault}"}.");
        if (root.PreviousRevision is { } hash && new ObjectName(hash, ObjectKind.Catalog) is var previous && !maybeCollected(previous)
            && !await _run.ExistsAsync(previous.RelativePath, cancellationToken).ConfigureAwait(false))
        {
            _run.Findings.Add(new Finding(VerifyRules.PreviousRevision, "/", catalog, previous.ToString(), "The root catalog names this one as previous_revision, but it is not there; replication fails on it."));
        }

        void Say(string rule, string message) => _run.Findings.Add(new Finding(rule, HeadCheck.ManifestFile, catalog, null, message));
    }
}
