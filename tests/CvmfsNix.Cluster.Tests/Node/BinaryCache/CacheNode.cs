using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Tests.Node.Control;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

/// <summary>A whole node that the tests of a class share: each uses paths of its own.</summary>
public sealed class CacheNode : IAsyncLifetime
{
    internal WholeNode Node { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Node = await WholeNode.StartAsync(AccessTokens.Off, new GatewayLimits { UploadStallMax = TimeSpan.FromSeconds(2) });

    public ValueTask DisposeAsync() => Node.DisposeAsync();
}
