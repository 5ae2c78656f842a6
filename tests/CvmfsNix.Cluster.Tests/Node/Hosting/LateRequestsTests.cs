using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Tests.Node.Control;
using Google.Protobuf;
using Grpc.Core;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Calls that do not come to an end are told that the node stops, and are not cut off.</summary>
public sealed class LateRequestsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_builder_that_sends_nothing_more_does_not_keep_the_node_and_hears_that_it_stops()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        string id = Guid.CreateVersion7().ToString();
        var path = new PathQuery { Path = "0000000000000000000000000000000a-not-yet", NarHash = ByteString.CopyFrom(new byte[32]) };
        await node.Publishing.BeginAsync(
            new BeginRequest { Repository = WholeNode.Repository, Transaction = id, RequestDigest = ByteString.CopyFrom(new byte[32]), Builder = "b", Last = true, Paths = { path } }, cancellationToken: Ct);

        // It begins to send paths, and then nothing comes: neither the next part nor the end.
        using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call = node.Publishing.AddPaths(cancellationToken: Ct);
        await call.RequestStream.WriteAsync(new AddPathsRequest { Header = new AddPathsHeader { Repository = WholeNode.Repository, Transaction = id } }, Ct);
        Task stopping = node.StopAsync();
        RpcException ended = await Assert.ThrowsAsync<RpcException>(async () => await call.ResponseAsync);
        Assert.Equal(StatusCode.Unavailable, ended.StatusCode);
        await stopping;
    }
}
