using System.Net;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Tests.Node.Control;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;

namespace CvmfsNix.Cluster.Tests.Node.Hosting;

/// <summary>Callers that send next to nothing, or far too much: they are turned away, and others notice nothing.</summary>
public sealed class SlowCallersTests
{
    private const int Callers = 200;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Callers_that_never_come_to_an_end_do_not_keep_others_waiting_and_too_much_is_refused()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        var addresses = node.Services.GetRequiredService<NodeAddresses>();
        var stuck = new List<TcpClient>();
        try
        {
            foreach (Surface surface in (Surface[])[Surface.Data, Surface.Control, Surface.Management])
            {
                int port = new Uri(addresses.Url(surface)).Port;
                for (int i = 0; i < Callers; i++)
                {
                    var client = new TcpClient();
                    stuck.Add(client);
                    await client.ConnectAsync(IPAddress.Loopback, port, Ct);
                    // Half a head, and half a body.
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(i % 2 == 0 ? "GET / HTTP/1.1\r\nHost: a\r\nX: " : $"POST /upload/{WholeNode.Repository}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n1"), Ct);
                }
            }

            using HttpResponseMessage data = await node.Http.GetAsync(new Uri(node.Http.BaseAddress!, $"/cvmfs/{WholeNode.Repository}/.cvmfspublished"), Ct);
            Assert.Equal(HttpStatusCode.OK, data.StatusCode);
            Assert.Equal("alive\n", await node.Management.GetStringAsync(new Uri(node.Management.BaseAddress!, "/alive"), Ct));
            Assert.Equal(WholeNode.Repository, (await node.Publishing.GetRepositoryAsync(new() { Repository = WholeNode.Repository }, cancellationToken: Ct)).Repository);
        }
        finally
        {
            stuck.ForEach(c => c.Dispose());
        }

        string tooLong = new('a', 40 << 10);
        foreach (HttpClient client in (HttpClient[])[node.Http, node.Management])
        {
            using var headed = new HttpRequestMessage(HttpMethod.Get, new Uri(client.BaseAddress!, "/alive"));
            headed.Headers.Add("X-Long", tooLong);
            using HttpResponseMessage head = await client.SendAsync(headed, Ct);
            Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, head.StatusCode);
            using HttpResponseMessage line = await client.GetAsync(new Uri(client.BaseAddress!, "/" + tooLong), Ct);
            Assert.Equal(HttpStatusCode.RequestUriTooLong, line.StatusCode);
        }

        Assert.Equal("alive\n", await node.Management.GetStringAsync(new Uri(node.Management.BaseAddress!, "/alive"), Ct));
    }

    [Fact]
    public async Task Every_port_gives_up_on_callers_that_do_not_finish()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        KestrelServerLimits limits = node.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        Assert.True(limits.RequestHeadersTimeout <= TimeSpan.FromSeconds(30));
        Assert.True(limits.MaxRequestBodySize <= 1 << 20);
        Assert.NotNull(limits.MaxConcurrentConnections);
        Assert.NotNull(limits.MinRequestBodyDataRate);
        Assert.NotNull(limits.MinResponseDataRate);
    }
}
