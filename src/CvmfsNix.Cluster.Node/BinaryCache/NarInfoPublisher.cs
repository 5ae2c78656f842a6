using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>
/// Makes a narinfo and the archive it names a transaction of one path, through the same gateway as any other publish, and waits until this node
/// serves it: who reads the narinfo next gets it. Many at once are committed together.
/// </summary>
internal sealed class NarInfoPublisher(
    PublishingGateway gateway, GatewaySessions sessions, PathStream verification, CacheAccess access, NarUploads uploads, GatewayLimits limits, TimeProvider time, ILogger<NarInfoPublisher> log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ServedPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan ReferencePause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ReferenceWait = TimeSpan.FromSeconds(2);

    /// <summary>Publishes a narinfo.</summary>
    /// <param name="cache">The cache it was put into.</param>
    /// <param name="hashPart">As the URL has it.</param>
    /// <param name="text">The narinfo.</param>
    /// <param name="builder">Who sends it, for fairness between builders.</param>
    /// <param name="ct">The client is gone.</param>
    /// <returns>What to tell; empty = it is as the client wants it.</returns>
    /// <exception cref="NodeException">It is refused.</exception>
    public async Task<string> PublishAsync(CacheRepository cache, string hashPart, string text, string builder, CancellationToken ct)
    {
        NarInfo info = Parse(cache, hashPart, text);
        PathInfo path = info.ToPathInfo();
        if (access.Refusal(cache.Store.Format.Repository, info.StoreDirectory, path) is { } refusal)
            throw new NodeException(refusal);
        if (cache.Store.Index.Paths.Find(path.Path) is { } there)
        {
            string answer = Known(path, there);
            if (answer.Length == 0 && cache.Store.NewSignatures(there.Info, path.Signatures) is { Count: > 0 } more)
                await SignAsync(cache.Store.Format.Repository, path with { Signatures = more }, builder, ct);
            await ServedAsync(cache, path.Path, ct);
            return answer;
        }

        using NarUse? use = uploads.Use(cache.Store.Format.Repository, info.Url["nar/".Length..]);
        if (use is null)
        {
            throw new NodeException(new NodeError(
                NodeCodes.ArchiveMissing, $"The archive {info.Url} is not on this node: it was never uploaded, or too long ago.", path.Path.Value, "Run the same nix copy again."));
        }

        Check(info, use.Nar);
        await RequireReferencesAsync(cache, path, ct);
        await use.Nar.Archive.KeepAsync(ct);
        TransactionOutcome outcome = await CommitAsync(cache.Store.Format.Repository, new PathUpload(path, use.Nar.Archive.Root), builder, ct);
        await ServedAsync(cache, path.Path, ct);
        return outcome.ContentKept.Count > 0 ? Kept(path.Path) : "";
    }

    private static NarInfo Parse(CacheRepository cache, string hashPart, string text)
    {
        NarInfo info;
        try
        {
            info = NarInfo.Parse(text);
        }
        catch (NarInfoFormatException e)
        {
            throw Invalid(hashPart, e.Message);
        }

        StoreDirectory directory = cache.Store.Format.StoreDirectory;
        if (info.StoreDirectory.Value != directory.Value)
            throw Invalid(info.Path.Value, $"The path lies in {info.StoreDirectory.Value}, this cache holds paths of {directory.Value}.");
        if (!info.Path.Value.StartsWith(hashPart + "-", StringComparison.Ordinal))
            throw Invalid(info.Path.Value, $"It was sent as {hashPart}.narinfo.");
        if (!info.Url.StartsWith("nar/", StringComparison.Ordinal))
            throw Invalid(info.Path.Value, "Its URL is none below nar/.");
        return info;
    }

    private static string Known(PathInfo path, IndexedPath there)
    {
        if (there.Info.NarHash == path.NarHash)
            return "";
        if (path.ContentAddress is null && there.Info.ContentAddress is null)
            return Kept(path.Path);
        throw new NodeException(new NodeError(
            "StorePathConflict",
            $"The path is addressed by its content and is there with NAR hash {there.Info.NarHash}; this one has {path.NarHash}.",
            path.Path.Value,
            "One of the two is damaged: check the builder's with nix-store --verify-path."));
    }

    private static void Check(NarInfo info, UploadedNar nar)
    {
        if (info.NarHash != nar.Archive.NarHash || info.NarSize != nar.Archive.NarSize)
        {
            throw new NodeException(new NodeError(
                PathRejectionCodes.NarHashMismatch,
                $"The narinfo says NAR hash {info.NarHash} and {info.NarSize} bytes; the uploaded archive has {nar.Archive.NarHash} and {nar.Archive.NarSize} bytes.",
                info.Path.Value));
        }

        if (info.FileHash is { } hash && hash != nar.FileHash || info.FileSize is { } size && size != nar.FileSize)
            throw Invalid(info.Path.Value, $"Its FileHash and FileSize are not those of {info.Url}, which has {nar.FileHash} and {nar.FileSize} bytes.");
    }

    // What is committed is a fact; that this node shows it a moment later than it could delays the answer, and does not change it.
    private async Task ServedAsync(CacheRepository cache, StorePathName path, CancellationToken ct)
    {
        long started = time.GetTimestamp();
        while (cache.Find(path.Value[..StorePathName.HashLength]) is null && time.GetElapsedTime(started) < limits.AppliedWait)
            await Task.Delay(ServedPause, time, ct);
    }

    // A client sends references first and each was answered when this node served it, so what is missing here is missing as a rule; where
    // the client wrote to another node before, it is on its way.
    private async Task RequireReferencesAsync(CacheRepository cache, PathInfo path, CancellationToken ct)
    {
        StorePathName[] needed = [.. path.References.Where(r => r != path.Path)];
        long started = time.GetTimestamp();
        while (true)
        {
            IReadOnlyList<NarHash?> found = cache.Store.Index.Paths.FindHashes(needed);
            StorePathName[] missing = [.. needed.Where((_, i) => found[i] is null)];
            if (missing.Length == 0)
                return;
            if (time.GetElapsedTime(started) >= ReferenceWait)
            {
                throw new NodeException(new NodeError(
                    "MissingReference", $"The path refers to {missing[0]}, which this cache does not have{(missing.Length > 1 ? $", nor {missing.Length - 1} others" : "")}.", path.Path.Value, "Copy the whole closure."));
            }

            await Task.Delay(ReferencePause, time, ct);
        }
    }

    private async Task SignAsync(string repository, PathInfo signed, string builder, CancellationToken ct)
    {
        TransactionId id = TransactionId.Create(time.GetUtcNow());
        var digest = new RequestDigest(SHA256.HashData(Encoding.UTF8.GetBytes($"cvmfsnix-signatures 1\n{signed.Path}\n{signed.NarHash}\n{string.Join('\n', signed.Signatures)}\n")));
        long started = time.GetTimestamp();
        while (true)
        {
            try
            {
                Accepted(await gateway.SignAsync(repository, id, digest, signed, builder, ct));
                return;
            }
            catch (Exception e) when (e is NodeException or PublishingException && IsPassing(ErrorMapping.Describe(e).Code) && time.GetElapsedTime(started) < limits.NarInfoWait)
            {
                log.LogInformation("Transaction {Transaction} of {Repository}: signatures of {Path} wait: {Problem}", id, repository, signed.Path, e.Message);
                await Task.Delay(Pause, time, ct);
            }
        }
    }

    // One transaction, however often it is tried: a leader may be lost at any moment of it, and the next one finds what the first decided.
    private async Task<TransactionOutcome> CommitAsync(string repository, PathUpload upload, string builder, CancellationToken ct)
    {
        TransactionId id = TransactionId.Create(time.GetUtcNow());
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes($"cvmfsnix-narinfo 1\n{upload.Info.Path}\n{upload.Info.NarHash}\n"));
        long started = time.GetTimestamp();
        bool staged = false;
        while (true)
        {
            try
            {
                if (!staged && await StageAsync(repository, id, digest, upload, builder, ct) is { } decided)
                    return Accepted(decided);
                staged = true;
                return Accepted(await gateway.SealAsync(
                    new SealRequest { Repository = repository, Transaction = id.ToString(), RequestDigest = ByteString.CopyFrom(digest), Conflict = Contracts.Publishing.ConflictPolicy.Keep, Builder = builder }, ct));
            }
            catch (Exception e) when (e is NodeException or PublishingException && IsPassing(ErrorMapping.Describe(e).Code) && time.GetElapsedTime(started) < limits.NarInfoWait)
            {
                NodeError error = ErrorMapping.Describe(e);
                // The session went with its node's place in the cluster, or was never made: begin again, with the same id.
                staged &= error.Code != NodeCodes.TransactionNotOpen;
                log.LogInformation("Transaction {Transaction} of {Repository}: {Path} waits: {Problem}", id, repository, upload.Info.Path, error.Message);
                await Task.Delay(Pause, time, ct);
            }
            catch (Exception) when (!staged)
            {
                await AbortAsync(repository, id);
                throw;
            }
        }
    }

    // What was begun for nothing is not left to expire.
    private async Task AbortAsync(string repository, TransactionId id)
    {
        try
        {
            await gateway.AbortAsync(new AbortRequest { Repository = repository, Transaction = id.ToString() }, CancellationToken.None);
        }
        catch (Exception e) when (e is NodeException or PublishingException)
        {
            log.LogInformation("Transaction {Transaction} of {Repository} cannot be aborted: {Problem}", id, repository, e.Message);
        }
    }

    private async Task<TransactionOutcome?> StageAsync(string repository, TransactionId id, byte[] digest, PathUpload upload, string builder, CancellationToken ct)
    {
        BeginReply begun = await gateway.BeginAsync(
            new BeginRequest
            {
                Repository = repository,
                Transaction = id.ToString(),
                RequestDigest = ByteString.CopyFrom(digest),
                Last = true,
                Builder = builder,
                Conflict = Contracts.Publishing.ConflictPolicy.Keep,
                Paths = { new PathQuery { Path = upload.Info.Path.Value, NarHash = ByteString.CopyFrom(upload.Info.NarHash.ToArray()), ContentAddressed = upload.Info.ContentAddress is not null } },
            },
            "",
            ct);
        if (begun.Outcome is { } known)
            return known;
        // Another client was faster.
        if (begun.Paths.Unchanged)
            return new TransactionOutcome { State = TransactionState.Committed, Unchanged = true, ContentKept = { begun.Paths.Presence.Contains(PathPresence.Different) ? [upload.Info.Path.Value] : [] } };
        await using SessionUse use = sessions.Get(repository, id);
        if (use.Session.Bundle is null && use.Session.Staging.PathCount == 0)
            await verification.AddAsync(use.Session.Staging, upload, ct);
        return null;
    }

    private static TransactionOutcome Accepted(TransactionOutcome outcome)
    {
        if (outcome.State == TransactionState.Committed)
            return outcome;
        throw new NodeException(outcome.Reason is { } reason
            ? new NodeError(reason.Code, reason.Message, reason.What, reason.Hint)
            : new NodeError(PublishingCodes.TransactionAborted, $"The transaction is {outcome.State}.", outcome.Transaction, "Run the same nix copy again."));
    }

    private static bool IsPassing(string code) => code is PublishingCodes.NoLeader or PublishingCodes.OutcomeUnknown or PublishingCodes.Overloaded
        or PublishingCodes.TooFewCopies or NodeCodes.TransactionNotOpen;

    private static string Kept(StorePathName path) => $"DifferentContentKept: {path} is there with another content, which stays.";

    private static NodeException Invalid(string what, string message) => new(new NodeError(NodeCodes.InvalidNarInfo, message, what));
}
