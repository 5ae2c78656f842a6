using CvmfsNix.Cluster.Actors.Forming;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Forming;

public sealed class SeedAddressesTests
{
    [Theory]
    [InlineData("10.0.0.1:8110")]
    [InlineData("10.0.0.1:8110", "node-2.invalid:8110")]
    [InlineData("unknown.invalid:8110")]
    [InlineData("[::1]:8110")]
    public async Task What_is_written_is_taken_as_it_is(params string[] seeds) =>
        Assert.Equal(seeds.Select(s => "akka.tcp://cvmfsnix@" + s), await SeedAddresses.ResolveAsync(seeds, TestContext.Current.CancellationToken));
}
