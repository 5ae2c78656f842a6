using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Mirrors;

/// <summary>A stratum1 follows a repository that stock tools wrote and nginx serves.</summary>
public sealed class StockServerTests
{
    private const string Golden = "golden.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_golden_repository_behind_nginx_is_followed_object_for_object()
    {
        string? nginx = ForegroundServer.Find("nginx");
        Assert.SkipWhen(nginx is null, "nginx is not installed (apt-get install nginx-light)");
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-stock-").FullName;
        try
        {
            int port = ClusterOfNodes.FreePorts(1)[0];
            string configuration = Path.Combine(folder, "nginx.conf");
            await File.WriteAllTextAsync(configuration, Nginx(folder, port), Ct);
            await using ForegroundServer server = await ForegroundServer.StartAsync(nginx!, ["-e", Path.Combine(folder, "errors"), "-c", configuration], port, Ct);
            string key = TestData.Path(Path.Combine("golden-cvmfs", Golden + ".pub"));
            await using ClusterNode mirror = ClusterNode.Mirror(
                1, NodePlace.Loopback, Path.Combine(folder, "mirror"), ["--follow", $"http://127.0.0.1:{port}/cvmfs/{Golden}", "--pubkey", key]);
            await mirror.StartAsync(Ct);

            string golden = TestData.Path(Path.Combine("golden-cvmfs", Golden));
            string copy = Path.Combine(mirror.Data, "cvmfs", Golden);
            // Tag databases that were replaced lie on the source until its collection, and nothing that a replica serves names them.
            string newest = Manifest.ParseSigned(await File.ReadAllBytesAsync(Path.Combine(golden, ".cvmfspublished"), Ct)).Manifest.History.ToString() + "H";
            string[] expected = [.. Objects(golden).Where(n => n[^1] != 'H' || n == newest)];
            Assert.Equal(expected, Objects(copy));
            foreach (string name in expected)
            {
                string file = Path.Combine("data", name[..2], name[2..]);
                Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(golden, file), Ct), await File.ReadAllBytesAsync(Path.Combine(copy, file), Ct));
            }

            foreach (string named in (string[])[".cvmfspublished", ".cvmfswhitelist"])
                Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(golden, named), Ct), await File.ReadAllBytesAsync(Path.Combine(copy, named), Ct));
            ProgramRun verified = await ProgramRun.RunAsync(BuiltProgram.Cli, ["verify", $"{mirror.Http}/cvmfs/{Golden}", "--pubkey", key, "--deep"], null, Ct);
            Assert.True(verified.ExitCode == 0, $"{verified.Output}{verified.Errors}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string[] Objects(string repository) =>
    [
        .. Directory.EnumerateDirectories(Path.Combine(repository, "data")).Where(static d => Path.GetFileName(d).Length == 2)
            .SelectMany(static d => Directory.EnumerateFiles(d).Select(f => Path.GetFileName(d) + Path.GetFileName(f))).Order(StringComparer.Ordinal),
    ];

    private static string Nginx(string folder, int port) => $$"""
        daemon off;
        {{(Environment.IsPrivilegedProcess ? "user root;" : "")}}
        pid {{folder}}/pid;
        events { }
        http {
          access_log {{folder}}/access;
          client_body_temp_path {{folder}}/body;
          proxy_temp_path {{folder}}/proxy;
          fastcgi_temp_path {{folder}}/fastcgi;
          uwsgi_temp_path {{folder}}/uwsgi;
          scgi_temp_path {{folder}}/scgi;
          server {
            listen 127.0.0.1:{{port}};
            location /cvmfs/ { alias {{TestData.Path("golden-cvmfs")}}/; }
          }
        }
        """;
}
