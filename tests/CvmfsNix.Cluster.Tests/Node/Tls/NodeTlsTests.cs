using System.Collections;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Contracts.Tls;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Mirrors;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Tests.Cli;
using CvmfsNix.Cluster.Tests.Node.Control;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Surface = CvmfsNix.Cluster.Node.Hosting.Surface;

namespace CvmfsNix.Cluster.Tests.Node.Tls;

/// <summary>A whole node that speaks TLS on its three ports, and asks callers of its control port for a certificate.</summary>
public sealed class NodeTlsTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly TestAuthority _ours;
    private readonly TestAuthority _others;
    private readonly string _server;
    private readonly string _client;

    public NodeTlsTests()
    {
        _ours = new TestAuthority(_folder.Path, "ours");
        _others = new TestAuthority(_folder.Path, "others");
        _server = _ours.Issue("server.pem");
        _client = _ours.Issue("client.pem", client: true);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _ours.Dispose();
        _others.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task All_ports_speak_tls_with_whoever_believes_the_authority()
    {
        await using WholeNode node = await StartAsync();
        Assert.All([Surface.Data, Surface.Control, Surface.Management], s => Assert.StartsWith("https://127.0.0.1:", Url(node, s), StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(node, Surface.Data, $"/cvmfs/{WholeNode.Repository}/.cvmfspublished", _ours.File));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(node, Surface.Management, "/alive", _ours.File));
        await RefusesAsync(() => GetAsync(node, Surface.Data, "/", _others.File));
        await RefusesAsync(() => GetAsync(node, Surface.Management, "/alive", null));

        // The control port asks for a certificate, which has to be a client's by the authority.
        Assert.Equal(WholeNode.Repository, (await RepositoryAsync(node, _client)).Repository);
        foreach (string? bad in (string?[])[null, _others.Issue("stranger.pem", client: true), _ours.Issue("late.pem", expired: true, client: true)])
        {
            // The server lets go at the end of the handshake, which a client of TLS 1.3 may notice only with its first question.
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => RepositoryAsync(node, bad));
            Assert.True(refused.StatusCode is StatusCode.Unavailable or StatusCode.Internal, refused.ToString());
        }


        // The command line, with files by switch and by environment.
        string server = Url(node, Surface.Control);
        CliRun run = await CliRun.RunAsync("repo", "list", "--json", "--server", server, "--tls-ca", _ours.File, "--tls-cert", _client);
        Assert.Equal((0, WholeNode.Repository), (run.Exit, run.Json[0].GetProperty("repository").GetString()));
        var environment = new Dictionary<string, string> { ["CVMFSNIX_TLS_CA"] = _ours.File, ["CVMFSNIX_TLS_CERT"] = _client };
        Assert.Equal(0, (await CliRun.RunAsync(["pbm", server, "repo", "list"], environment: environment)).Exit);
        CliRun distrusts = await CliRun.RunAsync("repo", "list", "--server", server, "--tls-ca", _others.File, "--timeout", "5");
        Assert.Equal(4, distrusts.Exit);
        Assert.Contains("certificate", distrusts.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(2, (await CliRun.RunAsync("repo", "list", "--server", server, "--tls-ca", "/no/such/file")).Exit);
    }

    [Fact]
    public async Task Certificates_are_read_again_without_a_restart_and_bad_ones_are_found_out()
    {
        await using WholeNode node = await StartAsync();
        Task<HttpStatusCode> Alive() => GetAsync(node, Surface.Management, "/alive", _ours.File);

        Assert.Equal(HttpStatusCode.OK, await Alive());
        _ours.Issue("server.pem", expired: true);
        await RefusesAsync(Alive);
        _ours.Issue("server.pem", host: "elsewhere.example.org");
        await RefusesAsync(Alive);
        _others.Issue("server.pem");
        await RefusesAsync(Alive);
        _ours.Issue("server.pem");
        Assert.Equal(HttpStatusCode.OK, await Alive());
        // What is no certificate does not end what works.
        File.WriteAllText(_server, "-----BEGIN CERTIFICATE-----\n");
        Assert.Equal(HttpStatusCode.OK, await Alive());
        File.Delete(_server);
        Assert.Equal(HttpStatusCode.OK, await Alive());
    }

    [Fact]
    public async Task The_data_port_offers_http_1_only()
    {
        await using WholeNode node = await StartAsync();
        var trust = new PemTrust(_ours.File);
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(Url(node, Surface.Data)).Port, Ct);
        await using var stream = new SslStream(socket.GetStream());
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "127.0.0.1",
                ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => trust.IsServer(certificate, chain, errors),
            },
            Ct);
        Assert.Equal(SslApplicationProtocol.Http11, stream.NegotiatedApplicationProtocol);
    }

    [Fact]
    public async Task A_mirror_follows_and_fetches_over_tls_with_a_certificate_of_its_own()
    {
        await using WholeNode node = await StartAsync("--tls-client-ports", "control,data");
        await node.PublishAsync("over-tls");
        using var data = new TestFolder();
        string[] arguments =
        [
            "--roles", "stratum1", "--replica-id", "mirror-1", "--data", data.Path, "--core", Url(node, Surface.Control), "--http", "127.0.0.1:0", "--management", "127.0.0.1:0", "--log-level", "error",
            "--tls-ca", _ours.File, "--tls-cert", _server,
        ];
        NodeOptions options = NodeOptionsBinder.Bind(arguments, new Hashtable(), out IReadOnlyList<string> mistakes)!;
        Assert.Empty(mistakes);
        using DataFolder folder = DataFolder.Open(data.Path);
        await using WebApplication mirror = MirrorHost.Build(options, folder, TextWriter.Null);
        await mirror.StartAsync(Ct);
        using GrpcChannel channel = Channel(node, _client);
        WaitReply served = await new Publishing.PublishingClient(channel).WaitAsync(
            new WaitRequest { Repository = WholeNode.Repository, Revision = 2, ForReplicas = "replicas=1", TimeoutMs = 60_000 }, cancellationToken: Ct);
        Assert.Equal("mirror-1", Assert.Single(served.Replicas).Replica);
        await mirror.StopAsync(Ct);
    }

    [Fact]
    public void Settings_of_tls_that_do_not_fit_are_told_at_once()
    {
        NodeOptionsBinder.Bind(["--tls-key", _server, "--tls-ports", "data,metrics", "--tls-ca", Path.Combine(_folder.Path, "none")], new Hashtable(), out IReadOnlyList<string> mistakes);
        Assert.Contains(mistakes, m => m.Contains("--tls-key needs --tls-cert", StringComparison.Ordinal));
        Assert.Contains(mistakes, m => m.Contains("\"metrics\" is no port", StringComparison.Ordinal));
        Assert.Contains(mistakes, m => m.Contains("--tls-ca", StringComparison.Ordinal) && m.Contains("none", StringComparison.Ordinal));
        NodeOptionsBinder.Bind(["--tls-cert", _server, "--tls-ports", "data", "--tls-client-ca", _ours.File], new Hashtable(), out mistakes);
        Assert.Contains("names control", Assert.Single(mistakes), StringComparison.Ordinal);
    }

    private Task<WholeNode> StartAsync(params string[] more) =>
        WholeNode.StartAsync(null, null, "127.0.0.1:0", ["--tls-cert", _server, "--tls-client-ca", _ours.File, "--tls-ca", _ours.File, .. more]);

    private static string Url(WholeNode node, Surface surface) => node.Services.GetRequiredService<NodeAddresses>().Url(surface);

    private static async Task<HttpStatusCode> GetAsync(WholeNode node, Surface surface, string path, string? authority)
    {
        using var handler = new SocketsHttpHandler { SslOptions = TlsClient.Options(authority is null ? null : new PemTrust(authority), null) };
        using var client = new HttpClient(handler);
        using HttpResponseMessage answer = await client.GetAsync(new Uri(Url(node, surface) + path), Ct);
        return answer.StatusCode;
    }

    private static async Task RefusesAsync(Func<Task> call) =>
        Assert.IsType<AuthenticationException>((await Assert.ThrowsAsync<HttpRequestException>(call)).InnerException);

    private GrpcChannel Channel(WholeNode node, string? certificate) => GrpcChannel.ForAddress(Url(node, Surface.Control), new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler { SslOptions = TlsClient.Options(new PemTrust(_ours.File), certificate is null ? null : new PemIdentity(certificate, certificate)) },
        DisposeHttpClient = true,
    });

    private async Task<RepositoryInfo> RepositoryAsync(WholeNode node, string? certificate)
    {
        using GrpcChannel channel = Channel(node, certificate);
        return await new Publishing.PublishingClient(channel).GetRepositoryAsync(new GetRepositoryRequest { Repository = WholeNode.Repository }, cancellationToken: Ct);
    }
}
