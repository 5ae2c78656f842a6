using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Data;

public sealed class DataPortTests
{
    private const string Repository = "/cvmfs/test.example.org";
    private const string Object = "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_named_file_is_served_with_the_headers_of_the_stock_server()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Folder.Write("cvmfs/test.example.org/.cvmfspublished", "C0");

        using HttpResponseMessage response = await node.Http.GetAsync(Repository + "/.cvmfspublished", Ct);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("C0", await response.Content.ReadAsStringAsync(Ct));
        Assert.Equal("application/x-cvmfs", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(TimeSpan.FromSeconds(61), response.Headers.CacheControl!.MaxAge);
        Assert.Equal(["bytes"], response.Headers.AcceptRanges);
        Assert.Null(response.Headers.ETag);
        Assert.Null(response.Content.Headers.LastModified);
        Assert.Empty(response.Content.Headers.ContentEncoding);
        Assert.Equal(2, response.Content.Headers.ContentLength);
        Assert.Equal(new Version(1, 1), response.Version);
    }

    [Fact]
    public async Task An_object_is_served_whole_and_kept_for_three_days()
    {
        await using TestNode node = await TestNode.StartAsync();
        byte[] bytes = RandomNumberGenerator.GetBytes(300_001);
        node.Folder.Write("cvmfs/test.example.org/" + Object, bytes);

        using HttpResponseMessage response = await node.Http.GetAsync($"{Repository}/{Object}", Ct);

        Assert.Equal(bytes, await response.Content.ReadAsByteArrayAsync(Ct));
        Assert.Equal("application/octet-stream", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(TimeSpan.FromDays(3), response.Headers.CacheControl!.MaxAge);
    }

    [Fact]
    public async Task A_range_of_an_object_is_served_and_one_behind_its_end_is_refused()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Folder.Write("cvmfs/test.example.org/" + Object, "0123456789");

        using var part = new HttpRequestMessage(HttpMethod.Get, $"{Repository}/{Object}") { Headers = { Range = new RangeHeaderValue(3, 5) } };
        using HttpResponseMessage partial = await node.Http.SendAsync(part, Ct);
        Assert.Equal(HttpStatusCode.PartialContent, partial.StatusCode);
        Assert.Equal("345", await partial.Content.ReadAsStringAsync(Ct));
        Assert.Equal("bytes 3-5/10", partial.Content.Headers.ContentRange!.ToString());

        using var behind = new HttpRequestMessage(HttpMethod.Get, $"{Repository}/{Object}") { Headers = { Range = new RangeHeaderValue(10, null) } };
        using HttpResponseMessage refused = await node.Http.SendAsync(behind, Ct);
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, refused.StatusCode);
        Assert.Equal("bytes */10", refused.Content.Headers.ContentRange!.ToString());
    }

    [Fact]
    public async Task A_small_object_that_is_asked_for_again_and_again_is_always_what_lies_on_the_disk()
    {
        await using TestNode node = await TestNode.StartAsync();
        string file = Path.Combine(node.Folder.Path, "cvmfs", "test.example.org", Object);
        foreach (string content in (string[])["0123456789", "abcdefghij"])
        {
            node.Folder.Write("cvmfs/test.example.org/" + Object, content);
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes(-content[0]));
            for (int i = 0; i < 4; i++)
            {
                using HttpResponseMessage whole = await node.Http.GetAsync($"{Repository}/{Object}", Ct);
                Assert.Equal(content, await whole.Content.ReadAsStringAsync(Ct));
                Assert.Equal("application/octet-stream", whole.Content.Headers.ContentType!.ToString());
                Assert.Equal(TimeSpan.FromDays(3), whole.Headers.CacheControl!.MaxAge);
            }

            using var part = new HttpRequestMessage(HttpMethod.Get, $"{Repository}/{Object}") { Headers = { Range = new RangeHeaderValue(3, 5) } };
            using HttpResponseMessage partial = await node.Http.SendAsync(part, Ct);
            Assert.Equal((HttpStatusCode.PartialContent, content[3..6]), (partial.StatusCode, await partial.Content.ReadAsStringAsync(Ct)));
            using var behind = new HttpRequestMessage(HttpMethod.Get, $"{Repository}/{Object}") { Headers = { Range = new RangeHeaderValue(10, null) } };
            using HttpResponseMessage refused = await node.Http.SendAsync(behind, Ct);
            Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, refused.StatusCode);
            using var head = new HttpRequestMessage(HttpMethod.Head, $"{Repository}/{Object}");
            using HttpResponseMessage told = await node.Http.SendAsync(head, Ct);
            Assert.Equal((HttpStatusCode.OK, 10L), (told.StatusCode, told.Content.Headers.ContentLength));
        }

        File.Delete(file);
        using HttpResponseMessage gone = await node.Http.GetAsync($"{Repository}/{Object}", Ct);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    [Fact]
    public async Task Head_tells_the_size_and_sends_nothing()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Folder.Write("cvmfs/test.example.org/.cvmfs_master_replica", "one sentence");

        using var head = new HttpRequestMessage(HttpMethod.Head, Repository + "/.cvmfs_master_replica");
        using HttpResponseMessage response = await node.Http.SendAsync(head, Ct);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(12, response.Content.Headers.ContentLength);
    }

    [Theory]
    [InlineData("/data/txn/upload1")]
    [InlineData("/secret")]
    [InlineData("/%2e%2e/secret")]
    [InlineData("/..%2fsecret")]
    [InlineData("/data/")]
    [InlineData("/.cvmfsfolder")]
    [InlineData("/.cvmfswhitelist")]
    public async Task What_is_not_of_the_stock_shape_does_not_exist(string path)
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Folder.Write("cvmfs/test.example.org/data/txn/upload1", "x");
        node.Folder.Write("cvmfs/test.example.org/secret", "x");
        node.Folder.Write("cvmfs/secret", "x");
        node.Folder.Write("cvmfs/test.example.org/.cvmfsfolder/x", "x");

        using HttpResponseMessage response = await node.Http.GetAsync(new Uri(node.Http.BaseAddress + Repository[1..] + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }), Ct);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.InRange(response.Headers.CacheControl!.MaxAge!.Value.TotalSeconds, 0, 61);
    }

    [Fact]
    public async Task Other_methods_are_refused()
    {
        await using TestNode node = await TestNode.StartAsync();
        using HttpResponseMessage response = await node.Http.DeleteAsync(Repository + "/.cvmfspublished", Ct);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(["GET", "HEAD"], response.Content.Headers.Allow);
    }

    [Fact]
    public async Task The_geo_question_is_answered_with_an_order()
    {
        await using TestNode node = await TestNode.StartAsync();
        using HttpResponseMessage answer = await node.Http.GetAsync(Repository + "/api/v1.0/geo/some-client/a.example.org,+PXYSEP+,b.example.org", Ct);
        Assert.Equal("1,3,2\n", await answer.Content.ReadAsStringAsync(Ct));
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.ToString());
        using HttpResponseMessage refused = await node.Http.GetAsync(Repository + "/api/v1.0/geo/x/a,,b", Ct);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task The_list_names_the_repositories_that_have_a_manifest()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Folder.Write("cvmfs/test.example.org/.cvmfspublished", "C0");
        node.Folder.Write("cvmfs/empty.example.org/x", "");

        using JsonDocument list = JsonDocument.Parse(await node.Http.GetStringAsync("/cvmfs/info/v1/repositories.json", Ct));

        Assert.Equal(1, list.RootElement.GetProperty("schema").GetInt32());
        JsonElement repository = Assert.Single(list.RootElement.GetProperty("repositories").EnumerateArray());
        Assert.Equal(("test.example.org", Repository), (repository.GetProperty("name").GetString(), repository.GetProperty("url").GetString()));
        Assert.Equal(0, list.RootElement.GetProperty("replicas").GetArrayLength());
    }
}
