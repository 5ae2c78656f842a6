using System.Net;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Options;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Data;

public sealed class GeoAnswerTests
{
    private static readonly GeoAnswer Geo = new(
        [
            new GeoSite("geneva.example.org", 46.2, 6.1),
            new GeoSite("chicago.example.org", 41.8, -87.6),
            new GeoSite("10.1.0.0/16", 51.5, -0.1),
            new GeoSite("10.1.2.0/24", 35.7, 139.7),
        ],
        (name, _) => Task.FromResult<IReadOnlyList<IPAddress>>(name == "tokyo.example.org" ? [IPAddress.Parse("10.1.2.9")] : []));

    [Theory]
    [InlineData("geneva.example.org", "chicago.example.org,geneva.example.org:8000,10.1.9.9", "2,3,1\n")]
    [InlineData("10.1.2.3", "chicago.example.org,geneva.example.org,tokyo.example.org", "3,2,1\n")]
    [InlineData("no-name", "chicago.example.org,geneva.example.org", "2,1\n")]
    [InlineData("geneva.example.org", "unknown.example.org,+PXYSEP+,chicago.example.org", "3,1,2\n")]
    [InlineData("geneva.example.org", "unknown.example.org,elsewhere.example.org", null)]
    public async Task The_nearest_come_first_and_the_unknown_last(string caller, string hosts, string? answer) =>
        Assert.Equal(answer, await Geo.ForAsync(caller, hosts, [IPAddress.Parse("::ffff:10.1.0.1")], TestContext.Current.CancellationToken));

    [Fact]
    public async Task Who_is_nowhere_gets_the_order_asked() =>
        Assert.Equal("1,2\n", await Geo.ForAsync("x", "chicago.example.org,geneva.example.org", [IPAddress.Loopback], TestContext.Current.CancellationToken));
}
