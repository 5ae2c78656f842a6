using System.Net;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;
using RepositoryOfTests = CvmfsNix.Cluster.TestKit.Store.TestRepository;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>The trap of the data port, over a repository as a node writes it.</summary>
public sealed class ServingTrapTests(TrapFixture repositories) : IClassFixture<TrapFixture>
{
    [Fact]
    public async Task Trap_18_head_works_on_everything_status_lines_are_http_1_and_nothing_is_encoded()
    {
        await using TestNode node = await TestNode.StartAsync();
        RawRepository raw = repositories.Raw;
        string[] files = [".cvmfs_master_replica", ".cvmfspublished", ".cvmfswhitelist", .. raw.ObjectPaths.Select(p => "data/" + p)];
        foreach (string file in files)
            node.Folder.Write($"cvmfs/{RepositoryOfTests.Name}/{file}", raw.Bytes(file));

        foreach (string file in files)
        {
            foreach (HttpMethod method in (HttpMethod[])[HttpMethod.Head, HttpMethod.Get])
            {
                string[] answer = await AskAsync(node, $"{method} /cvmfs/{RepositoryOfTests.Name}/{file} HTTP/1.1");
                Assert.StartsWith("HTTP/1.1 200", answer[0], StringComparison.Ordinal);
                Assert.Contains(answer, line => line == $"content-length: {raw.Bytes(file).Length}");
                Assert.DoesNotContain(answer, line => line.StartsWith("content-encoding", StringComparison.Ordinal) || line.StartsWith("transfer-encoding", StringComparison.Ordinal));
            }
        }

        // Stock tools ask for a reflog and for objects by HEAD, and take 404 for no.
        foreach (string absent in (string[])[".cvmfsreflog", "data/00/" + new string('0', 38), "data/00/" + new string('0', 38) + "P"])
            Assert.StartsWith("HTTP/1.1 404", (await AskAsync(node, $"HEAD /cvmfs/{RepositoryOfTests.Name}/{absent} HTTP/1.1"))[0], StringComparison.Ordinal);

        // An offer to speak HTTP/2 is not taken up.
        string[] upgraded = await AskAsync(node, $"HEAD /cvmfs/{RepositoryOfTests.Name}/.cvmfspublished HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__");
        Assert.StartsWith("HTTP/1.1 200", upgraded[0], StringComparison.Ordinal);
    }

    /// <summary>The answer's header lines, as they come over the wire; names in lower case.</summary>
    private static async Task<string[]> AskAsync(TestNode node, string request)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, node.Http.BaseAddress!.Port, cancel);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request + "\r\nHost: x\r\nAccept-Encoding: gzip, br, deflate\r\nConnection: close\r\n\r\n"), cancel);
        using var answer = new MemoryStream();
        await stream.CopyToAsync(answer, cancel);
        string text = Encoding.Latin1.GetString(answer.ToArray());
        string[] lines = text[..text.IndexOf("\r\n\r\n", StringComparison.Ordinal)].Split("\r\n");
        return [lines[0], .. lines.Skip(1).Select(l => l.ToLowerInvariant())];
    }
}
