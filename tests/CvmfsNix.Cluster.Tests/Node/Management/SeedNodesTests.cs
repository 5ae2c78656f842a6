using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Node.Admin.Palettes;
using CvmfsNix.Cluster.Node.Management;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Management;

public sealed class SeedNodesTests
{
    private const string Self = "akka.tcp://demo@127.0.0.1:46709";

    private static readonly ClusterMemberState Own = new(Self, 491074500, "Up", ["leader", "replica"], "1.0.0", []);

    [Fact]
    public void A_prober_of_Akka_NET_reads_the_shape_it_knows() => Assert.Equal(
        """
        {"SelfNode":{"Host":"127.0.0.1","Port":46709,"System":"demo","Protocol":"akka.tcp","HasLocalScope":false,"HasGlobalScope":true},"Nodes":[{"Node":{"Host":"127.0.0.1","Port":46709,"System":"demo","Protocol":"akka.tcp","HasLocalScope":false,"HasGlobalScope":true},"NodeUid":491074500,"Status":1,"Roles":["leader","replica"]}]}
        """,
        SeedNodes.DotNet(Of(Own), 5).ToJsonString());

    [Fact]
    public void The_other_shape_has_addresses_as_texts() => Assert.Equal(
        """{"selfNode":"akka.tcp://demo@127.0.0.1:46709","seedNodes":[{"node":"akka.tcp://demo@127.0.0.1:46709","nodeUid":491074500,"status":"Up","roles":["leader","replica"]}]}""",
        SeedNodes.Jvm(Of(Own), 5).ToJsonString());

    [Theory]
    [InlineData("Leaving")]
    [InlineData("Exiting")]
    [InlineData("Down")]
    public void A_node_on_its_way_out_names_nobody(string status) =>
        Assert.Empty(SeedNodes.DotNet(Of(Own with { Status = status }, Own with { Address = "akka.tcp://demo@127.0.0.1:2" }), 5)["Nodes"]!.AsArray());

    [Fact]
    public void Only_members_one_can_join_through_are_named_and_not_too_many()
    {
        ClusterMemberState[] others = [.. Enumerable.Range(1, 9).Select(i => Own with { Address = $"akka.tcp://demo@127.0.0.1:{i}" })];
        Assert.Equal(5, SeedNodes.DotNet(Of([Own, .. others]), 5)["Nodes"]!.AsArray().Count);
        Assert.Single(SeedNodes.Jvm(Of(Own, others[0] with { UnreachableFor = [Self] }, others[1] with { Status = "Exiting" }), 5)["seedNodes"]!.AsArray());
    }

    [Fact]
    public void A_member_is_a_line_of_five_columns()
    {
        Assert.Equal("akka.tcp://demo@127.0.0.1:46709 | [leader,replica] | up |  | 1.0.0", ClusterPalette.Line(Own));
        Assert.Equal("akka.tcp://demo@127.0.0.1:46709 | [] | weaklyup | unreachable | 1.0.0", ClusterPalette.Line(Own with { Roles = [], Status = "WeaklyUp", UnreachableFor = [Self] }));
    }

    [Theory]
    [InlineData("MemberUp", "ClusterDomainEvent", true)]
    [InlineData("MemberUp", "MemberEvent", true)]
    [InlineData("MemberUp", "MemberUp", true)]
    [InlineData("MemberUp", "ReachabilityEvent", false)]
    [InlineData("UnreachableMember", "ReachabilityEvent", true)]
    [InlineData("LeaderChanged", "MemberEvent", false)]
    public void An_event_is_of_its_type_and_of_the_types_above(string kind, string type, bool expected) => Assert.Equal(expected, EventsRoute.Is(kind, type));

    private static ClusterMembers Of(params ClusterMemberState[] members) => new(Self, members, Self, Self);
}
