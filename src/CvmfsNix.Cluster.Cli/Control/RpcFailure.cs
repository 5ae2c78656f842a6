using System.Net.Sockets;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.Files;
using Google.Protobuf;
using Grpc.Core;

namespace CvmfsNix.Cluster.Cli.Control;

/// <summary>The one place where a failed call becomes a code, an exit code and a decision on trying again.</summary>
internal static class RpcFailure
{
    /// <summary>Trailer that carries the node's own words.</summary>
    public const string DetailTrailer = "cvmfsnix-error-bin";

    /// <summary>Reads the detail of a failed call; falls back on the status where there is none (a proxy, a broken connection).</summary>
    public static CliException From(RpcException failure, Uri server)
    {
        ErrorDetail? detail = Detail(failure);
        StatusCode status = failure.StatusCode;
        bool unreachable = detail is null && status == StatusCode.Unavailable;
        string code = string.IsNullOrEmpty(detail?.Code) ? DefaultCode(status) : detail.Code;
        string message = string.IsNullOrEmpty(detail?.Message)
            ? unreachable ? $"No node answers at {server}: {Innermost(failure)}" : $"{server} answered {status}: {failure.Status.Detail}"
            : detail.Message;
        string hint = string.IsNullOrEmpty(detail?.Hint) ? DefaultHint(status, unreachable) : detail.Hint;
        return new CliException(code, message, string.IsNullOrEmpty(detail?.What) ? server.ToString() : detail.What, hint, ExitCodeOf(code, status), failure)
        {
            RetryAfter = detail?.RetryAfterMs > 0 ? TimeSpan.FromMilliseconds(detail.RetryAfterMs) : null,
            Transient = IsTransient(code, status, detail is not null),
            Unreachable = unreachable,
        };
    }

    /// <summary>
    /// Whether a connection broke. HTTP and gRPC clients wrap most such errors in exceptions of their own, but not those that hit while a
    /// connection is being set up or a body is being written.
    /// </summary>
    public static bool IsBrokenConnection(Exception failure) =>
        failure is SocketException or HttpRequestException || (failure is IOException and not (FileChangedException or DiskAccessException));

    /// <summary>The connection broke in the middle of a call.</summary>
    public static CliException Broken(Exception failure, Uri server) =>
        new("Unreachable", $"The connection to {server.Authority} broke: {failure.Message}", server.ToString(), DefaultHint(StatusCode.Unavailable, true), ExitCode.Unknown, failure)
        {
            Transient = true,
            Unreachable = true,
        };

    /// <summary>An error that came inside an answer: the reason of a rejection.</summary>
    public static CliException FromDetail(ErrorDetail detail) =>
        new(
            detail.Code.Length == 0 ? "Rejected" : detail.Code,
            detail.Message,
            detail.What,
            detail.Hint,
            ExitCodeOf(detail.Code, StatusCode.FailedPrecondition));

    /// <summary>The exit code of a failure; codes that are about who asks win over the status they came with.</summary>
    public static int ExitCodeOf(string code, StatusCode status) => (code, status) switch
    {
        ("Unauthorized" or "Forbidden", _) or (_, StatusCode.Unauthenticated or StatusCode.PermissionDenied) => ExitCode.Refused,
        ("UnknownCommand" or "WrongArguments" or "NotConfirmed", _) => ExitCode.Usage,
        ("Overloaded" or "NoLeader" or "TooFewCopies", _) => ExitCode.Unknown,
        ("Unsupported", _) => ExitCode.No,
        (_, StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.FailedPrecondition
            or StatusCode.OutOfRange) => ExitCode.No,
        _ => ExitCode.Unknown,
    };

    /// <summary>
    /// The gateway does not hold the transaction (it was restarted, or another one is asked now): beginning and staging again is the cure.
    /// </summary>
    public static bool AsksForStagingAgain(string code) => code is "TransactionNotOpen" or "UnknownTransaction";

    private static bool IsTransient(string code, StatusCode status, bool answeredByNode) => code switch
    {
        "Overloaded" or "NoLeader" or "TooFewCopies" => true,
        _ => status switch
        {
            StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.ResourceExhausted or StatusCode.Aborted => true,

            // Without words of the node these are broken connections.
            StatusCode.Internal or StatusCode.Unknown or StatusCode.Cancelled => !answeredByNode,
            _ => false,
        },
    };

    private static ErrorDetail? Detail(RpcException failure)
    {
        if (failure.Trailers.GetValueBytes(DetailTrailer) is not { } bytes)
            return null;
        try
        {
            return ErrorDetail.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            // A newer or foreign server; the status still says enough.
            return null;
        }
    }

    private static string DefaultCode(StatusCode status) => status switch
    {
        StatusCode.Unavailable => "Unreachable",
        StatusCode.DeadlineExceeded => "TimedOut",
        StatusCode.Unauthenticated => "Unauthorized",
        StatusCode.PermissionDenied => "Forbidden",
        StatusCode.ResourceExhausted => "Overloaded",
        StatusCode.NotFound => "NotFound",
        StatusCode.InvalidArgument => "InvalidArgument",
        StatusCode.Unimplemented => "NotSupported",
        _ => status.ToString(),
    };

    private static string DefaultHint(StatusCode status, bool unreachable) => status switch
    {
        _ when unreachable => "check that the node runs and that --server (or CVMFSNIX_SERVER) names its control port",
        StatusCode.DeadlineExceeded => "try again, with a larger --timeout where the node is busy",
        StatusCode.Unauthenticated or StatusCode.PermissionDenied => "give a token that is allowed to do this with --token-file (or CVMFSNIX_TOKEN)",
        StatusCode.Unimplemented => "the node is of an older version, or --server is not the control port of a node",
        _ => "see the log of the node",
    };

    private static string Innermost(RpcException failure)
    {
        Exception? inner = failure.Status.DebugException;
        while (inner?.InnerException is { } deeper)
            inner = deeper;
        return inner?.Message ?? failure.Status.Detail;
    }
}
