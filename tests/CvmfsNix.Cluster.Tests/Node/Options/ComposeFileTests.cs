using System.Collections;
using System.Text.Json;
using System.Text.RegularExpressions;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.TestKit;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Options;

/// <summary>The compose file of an installation: what it tells the nodes is what the nodes understand.</summary>
public sealed partial class ComposeFileTests
{
    private static readonly string Text = File.ReadAllText(Path.GetFullPath(TestData.Path(Path.Combine("..", "..", "docker-compose.cluster.yml"))));

    [Fact]
    public void Three_core_nodes_of_one_cluster_bind_with_what_their_services_say()
    {
        NodeOptions[] nodes = Nodes("core,stratum0", JournalIn());

        Assert.Equal(3, nodes.Length);
        Assert.All(nodes, n => Assert.StartsWith("Host=postgres;", n.Journal.ConnectionString));
        Assert.All(nodes, n => Assert.Equal((3, 2, true), (n.Membership.Seeds.Count, n.Membership.Copies, n.Journal.Init)));
        Assert.Equal(nodes[0].Membership.Seeds.Order(), nodes.Select(n => $"{n.Ports.PublicHost}:{n.Ports.Remoting.Port}").Order());
        foreach (NodeOptions node in nodes)
            Assert.Matches($@"(?m)^  {Regex.Escape(node.Ports.PublicHost!)}:$", Text);
        Assert.DoesNotContain("--allow-unsafe-journal", Text);
    }

    [Fact]
    public void A_mirror_in_each_of_two_sites_follows_every_core_node()
    {
        string[] cores = [.. Nodes("core,stratum0", JournalIn()).Select(n => $"http://{n.Ports.PublicHost}:{n.Ports.Grpc.Port}")];
        NodeOptions[] mirrors = Nodes("stratum1", new Hashtable());

        Assert.Equal(2, mirrors.Select(n => n.Membership.Site).Distinct().Count());
        Assert.Equal(2, mirrors.Select(n => n.Mirror!.ReplicaId).Distinct().Count());
        Assert.All(mirrors, n => Assert.Equal(cores, n.Mirror!.Cores.Select(u => u.ToString().TrimEnd('/'))));
    }

    [Fact]
    public void The_database_keeps_what_it_acknowledges()
    {
        string[] postgres = Commands().Single(c => c[0] == "postgres");
        Assert.Contains("fsync=on", postgres);
        Assert.Contains("synchronous_commit=on", postgres);
        Assert.Contains("""test: ["CMD", "cvmfsnix-node", "healthcheck"]""", Text);
    }

    private static NodeOptions[] Nodes(string roles, Hashtable environment) =>
    [
        .. Commands().Where(c => c is ["--roles", var said, ..] && said == roles).Select(command =>
            NodeOptionsBinder.Bind(command, environment, out IReadOnlyList<string> mistakes) ?? throw new InvalidOperationException(string.Join("; ", mistakes))),
    ];

    private static Hashtable JournalIn() =>
        new() { ["CVMFSNIX__JOURNAL"] = JournalSetting().Match(Text).Groups[1].Value.Replace("${POSTGRES_PASSWORD:?set a password}", "secret", StringComparison.Ordinal) };

    private static IEnumerable<string[]> Commands() => CommandSetting().Matches(Text).Select(m => JsonSerializer.Deserialize<string[]>(m.Groups[1].Value)!);

    [GeneratedRegex(@"^ +command: (\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex CommandSetting();

    [GeneratedRegex("CVMFSNIX__JOURNAL: \"(.*)\"$", RegexOptions.Multiline)]
    private static partial Regex JournalSetting();
}
