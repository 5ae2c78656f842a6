using System.Collections;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Options;

public sealed class NodeOptionsBinderTests
{
    private static readonly Hashtable NoEnvironment = [];

    [Fact]
    public void Without_anything_said_the_node_is_embedded_and_on_loopback()
    {
        NodeOptions options = Bound([]);

        Assert.Equal(["core", "stratum0"], options.Membership.Roles);
        Assert.Equal(Path.GetFullPath("cvmfsnix-data"), options.Folders.Data);
        Assert.Equal(Path.Combine(options.Folders.Data, "keys"), options.Folders.Keys);
        Assert.Equal("127.0.0.1:8000 127.0.0.1:9110 127.0.0.1:8558 127.0.0.1:8110", $"{options.Ports.Http} {options.Ports.Grpc} {options.Ports.Management} {options.Ports.Remoting}");
        Assert.Null(options.Journal.ConnectionString);
        Assert.Equal((1, "default"), (options.Membership.Copies, options.Membership.Site));
        Assert.Null(options.Access.TokenFile);
    }

    [Fact]
    public void A_switch_beats_the_environment_and_the_environment_beats_the_file()
    {
        using var folder = new TestFolder();
        string file = folder.Write("node.json", """{ "site": "from-file", "http": "127.0.0.1:1", "logLevel": "debug", /* a comment */ }""");
        var environment = new Hashtable { ["CVMFSNIX__SITE"] = "from-environment", ["CVMFSNIX__HTTP"] = "127.0.0.1:2", ["CVMFSNIX__GRPC"] = "", ["OTHER__SITE"] = "x" };

        NodeOptions options = Bound(["--config", file, "--http=127.0.0.1:3"], environment);

        Assert.Equal(("127.0.0.1:3", "from-environment", LogLevel.Debug, 9110), (options.Ports.Http.ToString(), options.Membership.Site, options.LogLevel, options.Ports.Grpc.Port));
    }

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("500K", 500L << 10)]
    [InlineData("64M", 64L << 20)]
    [InlineData("2G", 2L << 30)]
    public void A_size_is_a_number_with_a_unit(string text, long bytes) =>
        Assert.Equal((bytes, 64L << 20), (Bound(["--catalog-rate", text]).CatalogBytesPerSecond, Bound([]).CatalogBytesPerSecond));

    [Theory]
    [InlineData("64")]
    [InlineData("M")]
    [InlineData("-1M")]
    [InlineData("0M")]
    [InlineData("64MB")]
    [InlineData("99999999999G")]
    public void A_size_that_is_none_is_a_mistake(string text) =>
        Assert.Contains(Mistakes(["--catalog-rate", text], new Hashtable()), m => m.Contains("--catalog-rate") && m.Contains(text));

    [Fact]
    public void All_mistakes_of_all_sources_are_told_at_once()
    {
        using var folder = new TestFolder();
        string file = folder.Write("node.json", """{ "sitee": "x", "copies": {}, "config": "other.json" }""");
        var environment = new Hashtable { ["CVMFSNIX__MANAGMENT"] = "127.0.0.1:1" };

        IReadOnlyList<string> mistakes = Mistakes(["--config", file, "--htttp", "1:2", "--grpc", "nonsense", "stray", "--roles", "core,stratum0,boss"], environment);

        Assert.Contains(mistakes, m => m.Contains("--htttp") && m.Contains("did you mean --http?"));
        Assert.Contains(mistakes, m => m.Contains("CVMFSNIX__MANAGMENT") && m.Contains("did you mean CVMFSNIX__MANAGEMENT?"));
        Assert.Contains(mistakes, m => m.Contains("\"sitee\"") && m.Contains("did you mean \"site\"?"));
        Assert.Contains(mistakes, m => m.Contains("\"copies\"") && m.Contains("must be"));
        Assert.Contains(mistakes, m => m.Contains("cannot name another one"));
        Assert.Contains(mistakes, m => m.Contains("--grpc") && m.Contains("HOST:PORT"));
        Assert.Contains(mistakes, m => m.Contains("stray"));
        Assert.Contains(mistakes, m => m.Contains("boss"));
        Assert.Equal(8, mistakes.Count);
    }

    [Theory]
    [InlineData("needs --core", "--roles", "stratum1")]
    [InlineData("does not exist", "--roles", "stratum1", "--follow", "http://a/cvmfs/a.example.org", "--pubkey", "/nonexistent/x.pub")]
    [InlineData("URL of one repository", "--roles", "stratum1", "--follow", "http://a/", "--pubkey", "/nonexistent/x.pub")]
    [InlineData("give one of them", "--roles", "stratum1", "--core", "http://a:1", "--follow", "http://a/cvmfs/a.example.org", "--pubkey", "/nonexistent/x.pub")]
    [InlineData("no http:// or https://", "--roles", "stratum1", "--core", "127.0.0.1:9111")]
    [InlineData("no replica id", "--roles", "stratum1", "--core", "http://a:1", "--replica-id", "a b")]
    [InlineData("setting of core nodes", "--roles", "stratum1", "--core", "http://a:1", "--seed", "a:1")]
    [InlineData("setting of core nodes", "--roles", "stratum1", "--core", "http://a:1", "--copies", "2")]
    [InlineData("degrees", "--geo", "s1.example.org=91:0")]
    [InlineData("degrees", "--geo", "s1.example.org")]
    [InlineData("not in this version", "--roles", "core")]
    [InlineData("stratum1 only", "--core", "http://127.0.0.1:9111")]
    [InlineData("stratum1 only", "--replica-id", "x")]
    [InlineData("go together", "--roles", "stratum1", "--follow", "http://a")]
    [InlineData("no repository name", "--roles", "stratum1", "--repo", "a b")]
    [InlineData("stands alone", "--roles", "core,stratum1")]
    [InlineData("goes with core", "--roles", "stratum0")]
    [InlineData("needs a value", "--data")]
    [InlineData("needs a value", "--data", "--insecure")]
    [InlineData("more than once", "--site", "a", "--site", "b")]
    [InlineData("same address", "--http", "127.0.0.1:8001", "--grpc", "127.0.0.1:8001")]
    [InlineData("cannot keep 2 copies", "--copies", "2")]
    [InlineData("whole number", "--copies", "0")]
    [InlineData("no site name", "--site", "a b")]
    [InlineData("log-level", "--log-level", "loud")]
    [InlineData("neither true nor false", "--insecure=maybe")]
    [InlineData("does not exist", "--token-file", "/nonexistent/tokens")]
    [InlineData("does not exist", "--config", "/nonexistent/node.json")]
    [InlineData("cannot share a SQLite journal", "--seed", "127.0.0.1:8111")]
    [InlineData("no remoting address", "--seed", "127.0.0.1", "--journal", "Host=h")]
    [InlineData("more than once", "--seed", "a:1,b:1,a:1", "--journal", "Host=h")]
    [InlineData("neither lan nor wan", "--timing", "fast")]
    [InlineData("neither sqlite", "--journal", "mysql")]
    [InlineData("with a Host", "--journal", "Database=x")]
    [InlineData("holds a password", "--journal", "Host=h;Password=secret")]
    [InlineData("--public-host", "--remoting", "0.0.0.0:8110", "--insecure")]
    public void What_cannot_be_is_refused_with_the_reason(string reason, params string[] arguments) =>
        Assert.Contains(Mistakes(arguments), m => m.Contains(reason));

    [Theory]
    [InlineData("0.0.0.0:8000", true)]
    [InlineData("[::]:8000", true)]
    [InlineData("10.0.0.1:8000", true)]
    [InlineData("example.org:8000", true)]
    [InlineData("localhost:8000", false)]
    [InlineData("127.8.9.1:8000", false)]
    [InlineData("[::1]:8000", false)]
    public void Binding_to_more_than_loopback_needs_tokens_or_an_aloud_word(string address, bool refused)
    {
        Assert.Equal(refused, NodeOptionsBinder.Bind(["--http", address], NoEnvironment, out _) is null);
        Assert.NotNull(NodeOptionsBinder.Bind(["--http", address, "--insecure"], NoEnvironment, out _));
    }

    [Fact]
    public void A_password_is_never_repeated_in_a_mistake()
    {
        Assert.DoesNotContain(Mistakes(["--journal", "Host=h;Password=hunter22"]), m => m.Contains("hunter22"));
        Assert.DoesNotContain(Mistakes(["--journal", "Hots=h;Password=hunter22"]), m => m.Contains("hunter22"));
        Assert.DoesNotContain(Mistakes([], new Hashtable { ["CVMFSNIX__JOURNAL"] = "Hots=h;Password=hunter22" }), m => m.Contains("hunter22") || m.Contains("holds a password"));
    }

    [Fact]
    public void Several_nodes_share_a_database_and_keep_two_copies_unless_told_otherwise()
    {
        string[] cluster = ["--journal", "Host=127.0.0.1;Database=d", "--seed", "127.0.0.1:8111, node-2:8112", "--journal-init"];

        NodeOptions options = Bound(cluster);
        Assert.Equal(["127.0.0.1:8111", "node-2:8112"], options.Membership.Seeds);
        Assert.Equal((2, ClusterTiming.Lan), (options.Membership.Copies, options.Membership.Timing));
        Assert.Equal(("Host=127.0.0.1;Database=d", true, false), (options.Journal.ConnectionString, options.Journal.Init, options.Journal.AllowUnsafe));

        options = Bound([.. cluster, "--copies", "3", "--timing", "wan", "--allow-unsafe-journal"]);
        Assert.Equal((3, ClusterTiming.Wan, true), (options.Membership.Copies, options.Membership.Timing, options.Journal.AllowUnsafe));
    }

    [Fact]
    public void A_journal_with_its_password_comes_by_the_environment()
    {
        NodeOptions options = Bound([], new Hashtable { ["CVMFSNIX__JOURNAL"] = "Host=db;Username=u;Password=hunter22;Database=d" });

        Assert.Contains("hunter22", options.Journal.ConnectionString);
        Assert.DoesNotContain("hunter22", options.ToString());
    }

    [Fact]
    public void A_stratum1_knows_its_core_and_has_no_use_for_what_the_environment_tells_core_nodes()
    {
        string[] arguments = ["--roles", "stratum1", "--site", "geneva", "--core", "http://127.0.0.1:9111/,http://127.0.0.1:9112", "--replica-id", "r-1", "--sibling", "http://s:8000", "--repo", "a.example.org"];

        NodeOptions options = Bound(arguments, new Hashtable { ["CVMFSNIX__JOURNAL"] = "Host=db;Password=x", ["CVMFSNIX__SEED"] = "a:1", ["CVMFSNIX__REMOTING"] = "0.0.0.0:8110" });

        MirrorChoice mirror = options.Mirror!;
        Assert.Equal(["http://127.0.0.1:9111/", "http://127.0.0.1:9112/"], mirror.Cores.Select(u => u.ToString()));
        Assert.Equal(("r-1", "geneva", false), (mirror.ReplicaId, options.Membership.Site, mirror.ControlPort));
        Assert.Equal(("a.example.org", "http://s:8000/"), (mirror.Repositories.Single(), mirror.Siblings.Single().ToString()));
        Assert.Null(options.Journal.ConnectionString);
        Assert.Null(Bound([]).Mirror);
    }

    [Fact]
    public void The_help_text_names_every_setting()
    {
        string help = HelpText.Write();
        Assert.All(NodeSwitches.All, s => Assert.Contains("--" + s.Name, help));
    }

    private static NodeOptions Bound(string[] arguments, IDictionary? environment = null)
    {
        NodeOptions? options = NodeOptionsBinder.Bind(arguments, environment ?? NoEnvironment, out IReadOnlyList<string> mistakes);
        Assert.Empty(mistakes);
        return options!;
    }

    private static IReadOnlyList<string> Mistakes(string[] arguments, IDictionary? environment = null)
    {
        Assert.Null(NodeOptionsBinder.Bind(arguments, environment ?? NoEnvironment, out IReadOnlyList<string> mistakes));
        return mistakes;
    }
}
