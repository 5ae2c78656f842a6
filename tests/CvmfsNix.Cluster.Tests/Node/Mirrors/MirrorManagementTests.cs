using System.Collections;
using System.Net;
using System.Net.Http.Headers;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Mirrors;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;

namespace CvmfsNix.Cluster.Tests.Node.Mirrors;

/// <summary>Who may look at a mirror: the same rule as on core nodes, with the tokens of its own file.</summary>
public sealed class MirrorManagementTests
{
    private const string Own = "the-mirrors-own-token";
    private const string Reader = "prometheus-reads-here";
    private const string Builder = "a-builder-of-this-one";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("0.0.0.0:0", "", 401)]
    [InlineData("0.0.0.0:0", "--management-open", 200)]
    [InlineData("127.0.0.1:0", "", 200)]
    public async Task A_port_that_others_reach_asks_for_a_token_except_by_probes(string management, string more, int withoutToken)
    {
        using var data = new TestFolder();
        string tokens = Path.Combine(data.Path, "tokens");
        await File.WriteAllLinesAsync(tokens, [Own, $"{Reader} read", $"{Builder} publish:mine.example.org"], Ct);
        string[] arguments =
        [
            "--roles", "stratum1", "--data", data.Path, "--core", "http://127.0.0.1:1", "--http", "127.0.0.1:0", "--management", management, "--token-file", tokens, "--log-level", "error",
            .. more.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        ];
        NodeOptions options = NodeOptionsBinder.Bind(arguments, new Hashtable(), out IReadOnlyList<string> mistakes)!;
        Assert.Empty(mistakes);
        using DataFolder folder = DataFolder.Open(data.Path);
        await using (WebApplication mirror = MirrorHost.Build(options, folder, TextWriter.Null))
        {
            await mirror.StartAsync(Ct);
            using var client = new HttpClient { BaseAddress = new UriBuilder(mirror.Services.GetRequiredService<NodeAddresses>().Url(Surface.Management)) { Host = "127.0.0.1" }.Uri };
            Assert.Equal(HttpStatusCode.OK, await AskAsync("/alive", null));
            Assert.Contains(await AskAsync("/ready", null), (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable]);
            Assert.Equal(withoutToken, (int)await AskAsync("/status", null));
            Assert.Equal(withoutToken, (int)await AskAsync("/status", "somebody-elses-token"));
            Assert.Equal(HttpStatusCode.OK, await AskAsync("/status", Reader));
            Assert.Equal(HttpStatusCode.OK, await AskAsync("/status", Own));
            Assert.Equal(withoutToken == 401 ? HttpStatusCode.Forbidden : HttpStatusCode.OK, await AskAsync("/status", Builder));
            await mirror.StopAsync(Ct);

            async Task<HttpStatusCode> AskAsync(string path, string? token)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                if (token is not null)
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                using HttpResponseMessage answer = await client.SendAsync(request, Ct);
                return answer.StatusCode;
            }
        }

        SqliteConnection.ClearAllPools();
    }
}
