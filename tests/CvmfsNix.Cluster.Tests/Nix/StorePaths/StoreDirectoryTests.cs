using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.StorePaths;

public sealed class StoreDirectoryTests
{
    private const string Base = "pr8b869zi3sk1yjhaxrdmd35l4ph1icj-t";

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("nix/store")]
    [InlineData("/nix/store/")]
    [InlineData("/nix//store")]
    [InlineData("/nix/./store")]
    [InlineData("/nix/../store")]
    [InlineData("/nix:store")]
    [InlineData("/nix/sto\re")]
    [InlineData("/nix\0/store")]
    [InlineData("/nix/store\n/x")]
    [InlineData("/nix/\u001bstore")]
    public void A_directory_that_is_not_absolute_and_normal_is_refused(string text) =>
        Assert.Throws<StorePathFormatException>(() => StoreDirectory.Parse(text));

    [Fact]
    public void Full_paths_are_made_and_read()
    {
        StoreDirectory directory = StoreDirectory.Parse("/srv/my store");
        StorePathName name = StorePathName.Parse(Base);
        Assert.Equal("/srv/my store/" + Base, directory.FullPath(name));
        Assert.Equal(name, directory.ParsePath("/srv/my store/" + Base));
        Assert.Equal(name, directory.TopLevel("/srv/my store/" + Base + "/bin/x"));
        Assert.Equal(name, directory.TopLevel("/srv/my store/" + Base));
    }

    [Theory]
    [InlineData("/nix/store")]
    [InlineData("/nix/store/")]
    [InlineData("/nix/storex/" + Base)]
    [InlineData("/nix/store//" + Base)]
    [InlineData("/nix/store/" + Base + "/")]
    [InlineData("/nix/store/" + Base + "/bin")]
    [InlineData(Base)]
    public void What_is_no_store_path_of_the_directory_is_refused(string text)
    {
        Assert.False(StoreDirectory.Default.TryParsePath(text, out _));
        Assert.Throws<StorePathFormatException>(() => StoreDirectory.Default.ParsePath(text));
    }

    [Fact]
    public void The_default_is_a_legal_directory() => Assert.Equal(StoreDirectory.Default, StoreDirectory.Parse(StoreDirectory.Default.Value));
}
