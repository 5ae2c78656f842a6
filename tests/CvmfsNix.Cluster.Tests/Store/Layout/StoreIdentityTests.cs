using CvmfsNix.Cluster.Store.Layout;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Layout;

public sealed class StoreIdentityTests
{
    [Fact]
    public void A_store_keeps_its_id_and_one_that_lost_a_part_of_its_folder_is_another()
    {
        using var folder = new StoreFolder();
        var layout = new StoreLayout(folder.Path);
        string id = StoreIdentity.LoadOrCreate(layout);
        Assert.Equal(id, StoreIdentity.LoadOrCreate(layout));
        Directory.Delete(layout.RepositoriesFolder, recursive: true);
        string second = StoreIdentity.LoadOrCreate(layout);
        Assert.NotEqual(id, second);
        Directory.Delete(layout.MetaRootFolder, recursive: true);
        string third = StoreIdentity.LoadOrCreate(layout);
        Assert.NotEqual(second, third);
        Assert.Equal(third, StoreIdentity.LoadOrCreate(layout));
    }
}
