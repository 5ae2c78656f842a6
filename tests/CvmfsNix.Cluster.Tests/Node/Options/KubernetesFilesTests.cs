using System.Collections;
using System.Text.RegularExpressions;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Options;

/// <summary>The Kubernetes files: what they tell the nodes is what the nodes understand, and names that belong together are the same.</summary>
public sealed partial class KubernetesFilesTests
{
    [Fact]
    public void Core_nodes_bind_and_the_seeds_are_the_pods_of_the_set()
    {
        string text = Read("core.yaml");
        NodeOptions[] nodes = [.. Enumerable.Range(0, 3).Select(i => Bind(text, $"cvmfsnix-core-{i}", new Hashtable { ["CVMFSNIX__JOURNAL"] = Example("journal") }))];

        Assert.Contains("  replicas: 3\n", text);
        Assert.Equal(nodes[0].Membership.Seeds.Order(), nodes.Select(n => $"{n.Ports.PublicHost}:{n.Ports.Remoting.Port}").Order());
        Assert.All(nodes, n => Assert.Equal((2, true), (n.Membership.Copies, n.Journal.Init)));
        Assert.Contains("  serviceName: cvmfsnix-core\n", text);
        Ports(text, nodes[0].Ports.Http, nodes[0].Ports.Grpc, nodes[0].Ports.Management, nodes[0].Ports.Remoting);
    }

    [Fact]
    public void Mirrors_bind_and_follow_every_core_node()
    {
        string text = Read("stratum1.yaml");
        NodeOptions mirror = Bind(text, "cvmfsnix-stratum1-0", new Hashtable());

        string[] cores = [.. Enumerable.Range(0, 3).Select(i => $"http://cvmfsnix-core-{i}.cvmfsnix-core:9110")];
        Assert.Equal(cores, mirror.Mirror!.Cores.Select(u => u.ToString().TrimEnd('/')));
        Assert.Equal("cvmfsnix-stratum1-0", mirror.Mirror.ReplicaId);
        Ports(text, mirror.Ports.Http, mirror.Ports.Management);
    }

    [Fact]
    public void The_clusters_own_port_is_open_to_core_nodes_only()
    {
        string policy = Read("network-policy.yaml");
        string[] open = [.. policy[..policy.IndexOf("egress:", StringComparison.Ordinal)].Split('\n').Where(l => l.Contains("8110", StringComparison.Ordinal))];
        Assert.Single(open);
        Assert.Contains("component: core}\n      ports: [{port: 8110}", policy);
    }

    private static void Ports(string text, params BindAddress[] opened)
    {
        Assert.All(opened, a => Assert.Matches($@"containerPort: {a.Port}\}}", text));
        Assert.Equal(opened.Length, ContainerPort().Count(text));
    }

    private static NodeOptions Bind(string text, string pod, Hashtable environment)
    {
        using var folder = new TestFolder();
        string tokens = folder.Write("tokens", "0123456789abcdef\n");
        string[] arguments =
        [
            .. Argument().Matches(text).Select(m => m.Groups[1].Value.Replace("$(POD_NAME)", pod, StringComparison.Ordinal))
                .Select(a => a.StartsWith("--token-file=", StringComparison.Ordinal) ? "--token-file=" + tokens : a),
        ];
        return NodeOptionsBinder.Bind(arguments, environment, out IReadOnlyList<string> mistakes) ?? throw new InvalidOperationException(string.Join("; ", mistakes));
    }

    private static string Example(string key) => Regex.Match(Read("secrets.example.yaml"), $"(?m)^  {key}: \"(.*)\"$").Groups[1].Value;

    private static string Read(string name) => File.ReadAllText(Path.GetFullPath(TestData.Path(Path.Combine("..", "..", "deploy", "kubernetes", name))));

    [GeneratedRegex(@"^ +- (--.*)$", RegexOptions.Multiline)]
    private static partial Regex Argument();

    [GeneratedRegex("containerPort: ")]
    private static partial Regex ContainerPort();
}
