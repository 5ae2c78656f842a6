using System.Net;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Replication;
using CvmfsNix.Cluster.Store.Transfer;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Replication;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Replication;

public sealed class ReplicaEndpointTests
{
    private const string Path = "/replica/" + TestRepository.Name + "/fetch";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Its_path_is_its_own()
    {
        Assert.Equal(new DataPath(DataPathKind.Replica, TestRepository.Name, "fetch"), DataPath.Parse(Path));
        foreach (string odd in (string[])["/replica/" + TestRepository.Name, Path + "/", "/replica/../fetch", "/replica//fetch"])
            Assert.Equal(DataPathKind.None, DataPath.Parse(odd).Kind);
    }

    [Fact]
    public async Task What_is_here_is_handed_out_each_once_and_the_rest_left_out()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(repository.Store);
        using var http = new HttpClient { BaseAddress = server.Url };
        string record = repository.Revisions[0].DeltaDigest;
        var root = new ObjectName(repository.Head.RootHash, ObjectKind.Catalog);

        using HttpResponseMessage answer = await http.PostAsync(Path, new StringContent($"{root}\n{new string('0', 40)}\n{root}\n{record}", Encoding.ASCII), Cancel);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        using var pack = new ItemPackReader(await answer.Content.ReadAsStreamAsync(Cancel));
        var names = new List<string>();
        while (await pack.ReadAsync(Cancel) is var (item, _, _))
            names.Add(item.ToString());
        Assert.Equal([root.ToString(), record], names);
    }

    [Fact]
    public async Task What_comes_within_the_wait_is_handed_out()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(repository.Store);
        using var http = new HttpClient { BaseAddress = server.Url };
        SyntheticPath path = SyntheticPath.Package("late");
        ObjectName name = path.Objects.Keys.First();

        Task<HttpResponseMessage> waiting = http.PostAsync(Path + "?wait=10000", new StringContent(name.ToString(), Encoding.ASCII), Cancel);
        await repository.PublishAsync(Cancel, path);

        using HttpResponseMessage answer = await waiting;
        using var pack = new ItemPackReader(await answer.Content.ReadAsStreamAsync(Cancel));
        Assert.Equal(name, (await pack.ReadAsync(Cancel))!.Value.Item.Object);
    }

    [Theory]
    [InlineData("x", "", HttpStatusCode.BadRequest, "Line 1")]
    [InlineData("../../etc/passwd", "", HttpStatusCode.BadRequest, "Line 1")]
    [InlineData("", "?wait=x", HttpStatusCode.BadRequest, "wait")]
    [InlineData("", "?wait=99999999", HttpStatusCode.BadRequest, "wait")]
    public async Task A_bad_question_is_refused(string body, string query, HttpStatusCode status, string said)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(repository.Store);
        using var http = new HttpClient { BaseAddress = server.Url };
        using HttpResponseMessage answer = await http.PostAsync(Path + query, new StringContent(body, Encoding.ASCII), Cancel);
        Assert.Equal(status, answer.StatusCode);
        Assert.Contains(said, await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_many_names_another_method_and_a_closed_repository_are_refused()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        await using var server = new PackServer(repository.Store);
        using var http = new HttpClient { BaseAddress = server.Url };
        var many = new StringBuilder();
        for (int i = 0; i <= FetchQuestion.NamesMax; i++)
            many.Append(i.ToString("x40", System.Globalization.CultureInfo.InvariantCulture)).Append('\n');
        using (HttpResponseMessage answer = await http.PostAsync(Path, new StringContent(many.ToString(), Encoding.ASCII), Cancel))
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        using (HttpResponseMessage answer = await http.GetAsync(Path, Cancel))
            Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        using (HttpResponseMessage answer = await http.PostAsync("/replica/other.example.org/fetch", new StringContent(""), Cancel))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
    }
}
