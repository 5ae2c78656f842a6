using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.TestKit.Objects;

namespace CvmfsNix.Cluster.Tests.Store.Objects;

public sealed class MemoryObjectStoreTests : ObjectStoreContract
{
    protected override IObjectStore Store { get; } = new MemoryObjectStore();
}
