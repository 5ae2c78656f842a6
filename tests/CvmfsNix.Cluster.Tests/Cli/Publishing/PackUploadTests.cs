using System.Net;
using System.Net.Sockets;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

/// <summary>Nodes that accept a connection and then do nothing, as one that is frozen does.</summary>
public class PackUploadTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Never = TimeSpan.FromMinutes(30);

    [Fact]
    public async Task A_node_that_takes_no_more_bytes_is_left()
    {
        CliException refused = await SendAsync(new UploadPatience(Soon, Never), async (stream, token) =>
        {
            // More than any socket buffers.
            byte[] piece = new byte[1 << 20];
            while (true)
                await stream.WriteAsync(piece, token);
        });
        Assert.True(refused.Transient && refused.Unreachable);
        Assert.Contains("takes no more bytes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_does_not_answer_to_a_whole_pack_is_left()
    {
        CliException refused = await SendAsync(new UploadPatience(Never, Soon), (stream, token) => stream.WriteAsync(new byte[10], token).AsTask());
        Assert.True(refused.Transient && refused.Unreachable);
    }

    private static async Task<CliException> SendAsync(UploadPatience patience, Func<Stream, CancellationToken, Task> write)
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        using var frozen = new TcpListener(IPAddress.Loopback, 0);
        frozen.Start();
        using var uploads = new PackUpload(null, patience);
        Task<CliException> sending = Assert.ThrowsAsync<CliException>(() => uploads.SendAsync(new Uri($"http://{frozen.LocalEndpoint}/upload"), write, ct));
        using Socket connection = await frozen.AcceptSocketAsync(ct);
        return await sending;
    }
}
