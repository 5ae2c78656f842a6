using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Errors;

/// <summary>The one place that knows which error becomes which answer.</summary>
public static class ErrorMapping
{
    /// <summary>The trailer that carries <see cref="ErrorDetail"/>.</summary>
    public const string DetailTrailer = "cvmfsnix-error-bin";

    private static readonly Dictionary<string, (StatusCode Grpc, int Http)> Statuses = new(StringComparer.Ordinal)
    {
        [PublishingCodes.UnknownRepository] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.UnknownTransaction] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.RepositoryExists] = (StatusCode.AlreadyExists, StatusCodes.Status409Conflict),
        [PublishingCodes.InvalidRepositoryName] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [PublishingCodes.InvalidTransactionId] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [PublishingCodes.TransactionIdReused] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.TransactionTooOld] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.TransactionSealed] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.TransactionAborted] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.NoLeader] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [PublishingCodes.OutcomeUnknown] = (StatusCode.DeadlineExceeded, StatusCodes.Status504GatewayTimeout),
        [PublishingCodes.JournalBehindStores] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [PublishingCodes.ClockSkew] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.WhitelistExpired] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [PublishingCodes.KeysMissing] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        ["StorePathConflict"] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        ["MissingReference"] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        ["NarHashMismatch"] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        ["TooFewCopies"] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [NodeCodes.InvalidRequest] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.UnknownCommand] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [NodeCodes.WrongArguments] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.NotConfirmed] = (StatusCode.FailedPrecondition, StatusCodes.Status400BadRequest),
        [PublishingCodes.UnknownMember] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.AuditUnavailable] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [PublishingCodes.TokensUnavailable] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [NodeCodes.UnknownToken] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [NodeCodes.InvalidTree] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.InvalidPack] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.InvalidArchive] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.InvalidNarInfo] = (StatusCode.InvalidArgument, StatusCodes.Status400BadRequest),
        [NodeCodes.ArchiveMissing] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [NodeCodes.TooLarge] = (StatusCode.InvalidArgument, StatusCodes.Status413PayloadTooLarge),
        [NodeCodes.UploadStalled] = (StatusCode.Aborted, StatusCodes.Status400BadRequest),
        [NodeCodes.TransactionNotOpen] = (StatusCode.FailedPrecondition, StatusCodes.Status409Conflict),
        [NodeCodes.Overloaded] = (StatusCode.ResourceExhausted, StatusCodes.Status503ServiceUnavailable),
        [NodeCodes.DiskFull] = (StatusCode.ResourceExhausted, StatusCodes.Status507InsufficientStorage),
        [NodeCodes.Unauthorized] = (StatusCode.Unauthenticated, StatusCodes.Status401Unauthorized),
        [NodeCodes.ReplicaElsewhere] = (StatusCode.Aborted, StatusCodes.Status409Conflict),
        [NodeCodes.NodeLags] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [PublishingCodes.UnknownReplica] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.UnknownTag] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.UnknownRevision] = (StatusCode.NotFound, StatusCodes.Status404NotFound),
        [PublishingCodes.ReplicaUnreachable] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [NodeCodes.Forbidden] = (StatusCode.PermissionDenied, StatusCodes.Status403Forbidden),
        [NodeCodes.Unsupported] = (StatusCode.Unimplemented, StatusCodes.Status501NotImplemented),
        [NodeCodes.Timeout] = (StatusCode.DeadlineExceeded, StatusCodes.Status504GatewayTimeout),
        [NodeCodes.NodeStopping] = (StatusCode.Unavailable, StatusCodes.Status503ServiceUnavailable),
        [NodeCodes.Internal] = (StatusCode.Internal, StatusCodes.Status500InternalServerError),
    };

    private static readonly Dictionary<string, string> Hints = new(StringComparer.Ordinal)
    {
        [PathRejectionCodes.NarHashMismatch] = "nix-store --verify-path tells whether the builder's copy is damaged, nix-store --repair-path mends it.",
        [PathRejectionCodes.ObjectMissing] = "Repeat the same command: what is missing is sent again.",
        [PathRejectionCodes.ContentMismatch] = "Repeat the same command; if it is refused again, check the builder's memory and disk.",
        [PathRejectionCodes.InvalidTree] = "Publish with a program of the node's version.",
        [PathRejectionCodes.NotRepresentable] = "Build the path without it.",
        [PathRejectionCodes.ContentAddressMismatch] = "nix-store --verify-path tells whether the builder's copy is damaged.",
        [StagingRejectionCodes.ForbiddenObject] = "Send contents and chunks of files only, as cvmfsnix publish does.",
        [StagingRejectionCodes.ObjectCorrupt] = "Send the pack again; if it is refused again, check the builder's memory and disk.",
        [StagingRejectionCodes.TransactionTooLarge] = "Publish fewer paths at a time.",
    };

    /// <summary>What to tell the caller about an exception. Details of one nobody foresaw stay in the log.</summary>
    public static NodeError Describe(Exception exception) => exception switch
    {
        NodeException e => e.Error,
        PublishingException e => new NodeError(e.Code, e.Message, e.What, e.Hint, e.RetryAfter),
        PathRejectedException e => new NodeError(e.Code, e.Message, e.What, Hints.GetValueOrDefault(e.Code)),
        StagingRejectedException e => new NodeError(e.Code, e.Message, e.What, Hints.GetValueOrDefault(e.Code)),
        PackFormatException e => new NodeError(NodeCodes.InvalidPack, e.Message, "object pack", "Send the objects again."),
        _ when PublishingCodes.IsDiskFull(exception) => DiskFull(),
        _ => new NodeError(NodeCodes.Internal, "The node failed on this request; its log says why.", "", "Try again; the same transaction id is safe."),
    };

    /// <summary>The refusal of a node without headroom.</summary>
    public static NodeError DiskFull() => new(
        NodeCodes.DiskFull, "The node's disk has no headroom left, so it takes no objects.", "data folder", "Free space on the node, then repeat the same command.", TimeSpan.FromSeconds(30));

    /// <summary>The gRPC status of a code. What is not listed is a refusal of the request's content.</summary>
    public static StatusCode GrpcStatus(string code) => Statuses.TryGetValue(code, out var status) ? status.Grpc : StatusCode.FailedPrecondition;

    /// <summary>The HTTP status of a code.</summary>
    public static int HttpStatus(string code) => Statuses.TryGetValue(code, out var status) ? status.Http : StatusCodes.Status409Conflict;

    /// <summary>The error as gRPC carries it: status, and the detail in the trailer <see cref="DetailTrailer"/>.</summary>
    public static RpcException ToRpc(NodeError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        var trailers = new Metadata { { DetailTrailer, ToDetail(error).ToByteArray() } };
        return new RpcException(new Status(GrpcStatus(error.Code), error.Message), trailers);
    }

    /// <summary>The error as a message.</summary>
    public static ErrorDetail ToDetail(NodeError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return new ErrorDetail
        {
            Code = error.Code,
            Message = error.Message,
            What = error.What,
            Hint = error.Hint ?? "",
            RetryAfterMs = error.RetryAfterMilliseconds,
        };
    }
}
