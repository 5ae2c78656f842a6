using System.Net;
using System.Net.Http.Headers;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Tests.Node.Control;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;
using CvmfsNix.Cluster.Node.Hosting;
using Xunit;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Bodies that are larger than what is read, really sent: they are refused, and others are served meanwhile and afterwards.</summary>
public sealed class OversizedTests
{
    private const int Megabyte = 1 << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_and_a_body_that_are_too_large_are_refused_and_others_are_served()
    {
        await using WholeNode node = await WholeNode.StartAsync();

        // A message of gRPC beyond the bound, by a client that has none of its own.
        using var channel = GrpcChannel.ForAddress(
            node.Services.GetRequiredService<NodeAddresses>().Url(Surface.Control), new GrpcChannelOptions { MaxSendMessageSize = null });
        var tag = new SetTagRequest { Repository = WholeNode.Repository, Name = "v1", Description = new string('x', 40 * Megabyte) };
        RpcException refused = await Assert.ThrowsAsync<RpcException>(async () => await new Publishing.PublishingClient(channel).SetTagAsync(tag, cancellationToken: Ct));
        Assert.True(refused.StatusCode == StatusCode.ResourceExhausted && refused.Status.Detail.Contains("message", StringComparison.Ordinal), refused.ToString());
        Assert.Empty((await node.Publishing.ListTagsAsync(new ListTagsRequest { Repository = WholeNode.Repository }, cancellationToken: Ct)).Tags);

        // A narinfo is small; told to be large it is refused before it is read, and when that is not told, while it is.
        string narinfo = $"/nix/{WholeNode.Repository}/0000000000000000000000000000000a.narinfo";
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await PutAsync(narinfo, told: true));
        Assert.Contains(await PutAsync(narinfo, told: false), (HttpStatusCode?[])[HttpStatusCode.RequestEntityTooLarge, null]);

        // Ports where nothing is put take no bodies at all.
        Assert.NotEqual(HttpStatusCode.OK, await PutAsync($"/cvmfs/{WholeNode.Repository}/data/x", true));

        await node.PublishAsync("afterwards");
        Assert.Equal(2UL, (await node.Publishing.GetRepositoryAsync(new GetRepositoryRequest { Repository = WholeNode.Repository }, cancellationToken: Ct)).Revision);

        // Null: the connection was closed while the body was sent, before the answer could be read.
        async Task<HttpStatusCode?> PutAsync(string path, bool told)
        {
            using var handler = new SocketsHttpHandler { Expect100ContinueTimeout = Timeout.InfiniteTimeSpan };
            using var client = new HttpClient(handler) { BaseAddress = node.Http.BaseAddress };
            using var body = new EndlessBody(told ? 64L * Megabyte : null);
            using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = body, Headers = { ExpectContinue = told } };
            Task<HttpResponseMessage> answer = client.SendAsync(request, Ct);
            // Others are served while it is sent.
            Assert.Equal(HttpStatusCode.OK, (await node.Management.GetAsync(new Uri("/alive", UriKind.Relative), Ct)).StatusCode);
            try
            {
                using HttpResponseMessage got = await answer;
                return got.StatusCode;
            }
            catch (HttpRequestException e) when (!told && e.InnerException is IOException)
            {
                return null;
            }
            finally
            {
                Assert.True(body.Sent < 64L * Megabyte, $"{body.Sent} bytes were taken");
            }
        }
    }

    // Goes on until nobody reads any more.
    private sealed class EndlessBody(long? length) : HttpContent
    {
        private static readonly byte[] Part = new byte[1 << 16];

        public long Sent { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            Headers.ContentType = new MediaTypeHeaderValue("text/x-nix-narinfo");
            try
            {
                while (Sent < 64L * Megabyte)
                {
                    await stream.WriteAsync(Part, Ct);
                    Sent += Part.Length;
                }
            }
            catch (IOException)
            {
                // The answer is there already.
            }
        }

        protected override bool TryComputeLength(out long computed)
        {
            computed = length ?? 0;
            return length is not null;
        }
    }
}
