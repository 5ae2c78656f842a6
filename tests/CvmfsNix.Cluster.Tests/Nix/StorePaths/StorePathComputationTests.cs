using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.StorePaths;

public sealed class StorePathComputationTests
{
    private static readonly StoreDirectory s_store = StoreDirectory.Default;
    private static readonly NarHash s_treeNar = NarHash.Parse("sha256:09hdnlm607ms2ix6fa1a45lpyylfsjdrfi0cihsy4zivpqblsbhb");
    private static readonly NarHash s_fileNar = NarHash.Parse("sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw");
    private static readonly byte[] s_hello = SHA256.HashData("hello\n"u8);

    [Fact]
    public void A_source_has_the_path_nix_gives_it() =>
        Assert.Equal("pr8b869zi3sk1yjhaxrdmd35l4ph1icj-t", StorePathComputation.FromSource(s_store, "t", s_treeNar, [], false).Value);

    [Fact]
    public void A_flat_file_has_the_path_nix_gives_it() =>
        Assert.Equal("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one", StorePathComputation.FromFixedOutput(s_store, "one", "sha256", s_hello, recursive: false).Value);

    [Fact]
    public void A_text_has_the_path_nix_gives_it() =>
        Assert.Equal("yyr7r82l08607461bjnaqxw54fiafnqw-greet", StorePathComputation.FromText(s_store, "greet", new NarHash(s_hello), []).Value);

    [Fact]
    public void The_store_directory_name_references_and_self_reference_all_count()
    {
        StorePathName a = StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one");
        StorePathName b = StorePathName.Parse("yyr7r82l08607461bjnaqxw54fiafnqw-greet");
        StorePathName[] all =
        [
            StorePathComputation.FromSource(s_store, "t", s_treeNar, [], false),
            StorePathComputation.FromSource(s_store, "u", s_treeNar, [], false),
            StorePathComputation.FromSource(StoreDirectory.Parse("/other"), "t", s_treeNar, [], false),
            StorePathComputation.FromSource(s_store, "t", s_treeNar, [a], false),
            StorePathComputation.FromSource(s_store, "t", s_treeNar, [a, b], false),
            StorePathComputation.FromSource(s_store, "t", s_treeNar, [], true),
        ];
        Assert.Distinct(all.Select(path => path.HashPart));
        Assert.Equal(all[4], StorePathComputation.FromSource(s_store, "t", s_treeNar, [b, a, b], false));
    }

    [Fact]
    public void A_recursive_address_is_decided_by_the_nar_hash()
    {
        StorePathName path = StorePathName.Parse("pr8b869zi3sk1yjhaxrdmd35l4ph1icj-t");
        string address = "fixed:r:" + s_treeNar;
        Assert.True(StorePathComputation.Matches(s_store, path, address, s_treeNar, []));
        Assert.False(StorePathComputation.Matches(s_store, path, address, s_fileNar, []));
        Assert.False(StorePathComputation.Matches(s_store, path, "fixed:r:" + s_fileNar, s_fileNar, []));
        Assert.False(StorePathComputation.Matches(s_store, path, address, s_treeNar, [StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one")]));
    }

    [Fact]
    public void Flat_and_text_addresses_are_open_when_the_path_fits_and_wrong_when_not()
    {
        string hash = new NarHash(s_hello).ToString();
        StorePathName flat = StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one");
        StorePathName text = StorePathName.Parse("yyr7r82l08607461bjnaqxw54fiafnqw-greet");
        Assert.Null(StorePathComputation.Matches(s_store, flat, "fixed:" + hash, s_fileNar, []));
        Assert.Null(StorePathComputation.Matches(s_store, text, "text:" + hash, s_fileNar, []));
        Assert.False(StorePathComputation.Matches(s_store, text, "fixed:" + hash, s_fileNar, []));
        Assert.False(StorePathComputation.Matches(s_store, flat, "text:" + hash, s_fileNar, []));
    }

    [Theory]
    [InlineData("")]
    [InlineData("git:sha1:00")]
    [InlineData("fixed:sha3:00")]
    [InlineData("fixed:r:sha256:00")]
    [InlineData("text:zz")]
    public void An_unreadable_address_is_an_error(string address) =>
        Assert.Throws<FormatException>(() => StorePathComputation.Matches(s_store, StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one"), address, s_fileNar, []));

    [Theory]
    [InlineData("fixed:git:sha1:0000000000000000000000000000000000000000")]
    [InlineData("fixed:r:blake3-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    public void Addresses_made_in_ways_of_later_versions_are_not_decided(string address) =>
        Assert.Null(StorePathComputation.Matches(s_store, StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one"), address, s_fileNar, []));
}
