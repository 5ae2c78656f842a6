using CsCheck;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.StorePaths;

public sealed class StorePathNameTests
{
    private const string Hash = "pr8b869zi3sk1yjhaxrdmd35l4ph1icj";

    [Fact]
    public void A_base_name_has_its_parts()
    {
        StorePathName name = StorePathName.Parse(Hash + "-hello-2.12.1?=+_");
        Assert.Equal(Hash, name.HashPart);
        Assert.Equal("hello-2.12.1?=+_", name.Name);
        Assert.Equal(Hash + "-hello-2.12.1?=+_", name.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(Hash)]
    [InlineData(Hash + "-")]
    [InlineData(Hash + "-.")]
    [InlineData(Hash + "-..")]
    [InlineData(Hash + "-.-x")]
    [InlineData(Hash + "-..-x")]
    [InlineData(Hash + "-a/b")]
    [InlineData(Hash + "-a b")]
    [InlineData(Hash + "-\u00e9")]
    [InlineData(Hash + "-a\n")]
    [InlineData(Hash + "_a")]
    [InlineData("er8b869zi3sk1yjhaxrdmd35l4ph1icj-a")]
    [InlineData("PR8b869zi3sk1yjhaxrdmd35l4ph1icj-a")]
    public void Illegal_names_are_refused(string text)
    {
        Assert.False(StorePathName.TryParse(text, out _));
        Assert.Equal(text, Assert.Throws<StorePathFormatException>(() => StorePathName.Parse(text)).Text);
    }

    [Theory]
    [InlineData(211, true)]
    [InlineData(212, false)]
    public void A_name_has_at_most_211_characters(int length, bool legal) =>
        Assert.Equal(legal, StorePathName.TryParse(Hash + "-" + new string('x', length), out _));

    [Theory]
    [InlineData(".a")]
    [InlineData("..a")]
    [InlineData("...")]
    public void Names_that_only_look_like_relative_directories_are_legal(string name) =>
        Assert.True(StorePathName.TryParse(Hash + "-" + name, out _));

    [Fact]
    public void Any_text_is_refused_or_kept_as_it_is() =>
        Gen.Select(Gen.String[Gen.Char, 0, 40], Gen.Bool).Sample((tail, prefix) =>
        {
            string text = prefix ? Hash + "-" + tail : tail;
            if (StorePathName.TryParse(text, out StorePathName name))
                Assert.Equal(text, name.Value);
        });
}
