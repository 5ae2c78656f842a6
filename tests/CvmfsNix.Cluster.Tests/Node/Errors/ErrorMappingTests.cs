using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;
using Grpc.Core;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Errors;

public sealed class ErrorMappingTests
{
    [Fact]
    public void A_core_error_arrives_whole_in_the_trailer()
    {
        var cause = new PublishingException(PublishingCodes.Overloaded, "The queue is full.", "a.example.org", "Come back.", TimeSpan.FromSeconds(2));
        RpcException rpc = ErrorMapping.ToRpc(ErrorMapping.Describe(cause));
        Assert.Equal(StatusCode.ResourceExhausted, rpc.StatusCode);
        Assert.Equal(
            new ErrorDetail { Code = "Overloaded", Message = "The queue is full.", What = "a.example.org", Hint = "Come back.", RetryAfterMs = 2000 },
            ErrorDetail.Parser.ParseFrom(rpc.Trailers.GetValueBytes(ErrorMapping.DetailTrailer)));
    }

    [Fact]
    public void Every_code_of_core_and_node_has_a_status_of_its_own_choice()
    {
        string[] codes = [.. typeof(PublishingCodes).GetFields().Concat(typeof(NodeCodes).GetFields()).Select(f => (string)f.GetRawConstantValue()!)];
        Assert.All(codes, c => Assert.NotEqual(0, ErrorMapping.HttpStatus(c)));
        Assert.All(codes.Where(c => c.StartsWith("Unknown", StringComparison.Ordinal)), c => Assert.Equal(StatusCode.NotFound, ErrorMapping.GrpcStatus(c)));
        Assert.Equal(StatusCode.Unauthenticated, ErrorMapping.GrpcStatus(NodeCodes.Unauthorized));
        Assert.Equal(StatusCode.DeadlineExceeded, ErrorMapping.GrpcStatus(PublishingCodes.OutcomeUnknown));
        Assert.Equal(StatusCode.Unavailable, ErrorMapping.GrpcStatus(PublishingCodes.NoLeader));
    }

    [Fact]
    public void The_errors_of_the_store_become_codes_and_a_defect_tells_nothing_of_itself()
    {
        Assert.Equal("NarHashMismatch", ErrorMapping.Describe(new PathRejectedException("NarHashMismatch", "p", "m")).Code);
        Assert.Equal(NodeCodes.InvalidPack, ErrorMapping.Describe(new PackFormatException(3, "short")).Code);
        Assert.Equal(NodeCodes.DiskFull, ErrorMapping.Describe(new InvalidOperationException("outer", new IOException("full", 28))).Code);
        Assert.Equal(NodeCodes.DiskFull, ErrorMapping.Describe(new SqliteException("database or disk is full", 13)).Code);
        NodeError defect = ErrorMapping.Describe(new InvalidOperationException("secret detail"));
        Assert.Equal(NodeCodes.Internal, defect.Code);
        Assert.DoesNotContain("secret", defect.Message);
    }
}
