using CvmfsNix.Cluster.Contracts.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Clients;

public sealed class ClientConfigTests
{
    [Fact]
    public async Task A_cvmfs_client_gets_servers_proxy_and_key()
    {
        await using FakeNode node = await NodeAsync();
        CliRun run = await CliRun.RunAsync(
            "client-config", "--repo", "a.example.org", "--server", node.Url, "--url", "http://one:8000/", "--url", "https://two", "--proxy", "http://p:3128;DIRECT");

        Assert.Equal(0, run.Exit);
        Assert.Equal(
            """
            # /etc/cvmfs/config.d/a.example.org.conf
            CVMFS_SERVER_URL="http://one:8000/cvmfs/a.example.org;https://two/cvmfs/a.example.org"
            CVMFS_HTTP_PROXY="http://p:3128;DIRECT"
            CVMFS_PUBLIC_KEY=/etc/cvmfs/keys/a.example.org.pub
            CVMFS_USE_GEOAPI=no
            # /etc/cvmfs/keys/a.example.org.pub holds this, without the "# ":
            # -----BEGIN PUBLIC KEY-----
            # AAAA
            # -----END PUBLIC KEY-----

            """.ReplaceLineEndings("\n"),
            run.Output);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task Nix_gets_substituters_and_key_and_a_loopback_address_is_warned_of()
    {
        await using FakeNode node = await NodeAsync();
        CliRun run = await CliRun.RunAsync("client-config", "--repo", "a.example.org", "--server", node.Url, "--for", "nix");
        Assert.Equal(0, run.Exit);
        Assert.Equal("# nix.conf\nextra-substituters = http://127.0.0.1:8000/nix/a.example.org\nextra-trusted-public-keys = a-1:key\n", run.Output);
        Assert.Contains("--url", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_holds_both()
    {
        await using FakeNode node = await NodeAsync();
        CliRun run = await CliRun.RunAsync("client-config", "--repo", "a.example.org", "--server", node.Url, "--json");
        Assert.Equal(["repository", "cvmfs", "nix"], run.Json.EnumerateObject().Select(static p => p.Name));
        Assert.Equal(["file", "servers", "proxy", "publicKeyFile", "publicKey"], run.Json.GetProperty("cvmfs").EnumerateObject().Select(static p => p.Name));
        Assert.Equal(["substituters", "trustedPublicKey", "storeDirectory"], run.Json.GetProperty("nix").EnumerateObject().Select(static p => p.Name));
        Assert.Equal("DIRECT", run.Json.GetProperty("cvmfs").GetProperty("proxy").GetString());
    }

    [Theory]
    [InlineData("--url", "ftp://x")]
    [InlineData("--url", "http://x\";rm")]
    [InlineData("--proxy", "$(rm)")]
    [InlineData("--for", "apt")]
    public async Task What_would_break_a_configuration_file_is_refused(string option, string value) =>
        Assert.Equal(2, (await CliRun.RunAsync("client-config", "--repo", "a.example.org", option, value)).Exit);

    private static async Task<FakeNode> NodeAsync()
    {
        FakeNode node = await FakeNode.StartAsync();
        node.OnGetRepository = static r => new RepositoryInfo
        {
            Repository = r.Repository,
            DataUrl = "http://127.0.0.1:8000/cvmfs/" + r.Repository,
            PublicKey = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            NixPublicKey = "a-1:key",
            StoreDirectory = "/nix/store",
        };
        return node;
    }
}
