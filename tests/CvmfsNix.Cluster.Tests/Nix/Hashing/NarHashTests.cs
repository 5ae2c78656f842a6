using CsCheck;
using CvmfsNix.Cluster.Nix.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Hashing;

public sealed class NarHashTests
{
    private const string Hex = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13";
    private const string Text = "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw";

    [Fact]
    public void All_forms_are_read_and_written()
    {
        NarHash hash = new(Convert.FromHexString(Hex));
        string base64 = Convert.ToBase64String(Convert.FromHexString(Hex));
        Assert.Equal(Text, hash.ToString());
        Assert.Equal(Hex, hash.ToHex());
        Assert.Equal("sha256-" + base64, hash.ToSri());
        foreach (string form in (string[])[Text, "sha256:" + Hex, "sha256:" + base64, "sha256-" + base64])
            Assert.Equal(hash, NarHash.Parse(form));
    }

    [Theory]
    [InlineData("")]
    [InlineData("sha256")]
    [InlineData("sha256:")]
    [InlineData("sha512:" + Hex)]
    [InlineData("sha256-" + Hex)]
    [InlineData(Hex)]
    [InlineData("sha256:" + Hex + "0")]
    [InlineData("sha256:zz37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13")]
    [InlineData("sha256:HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BN=")]
    [InlineData("sha256:HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/ B=")]
    public void Other_texts_are_refused(string text)
    {
        Assert.False(NarHash.TryParse(text, out _));
        Assert.Contains("expected sha256:", Assert.Throws<FormatException>(() => NarHash.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Values_come_back_and_keep_the_order_of_their_bytes() =>
        Gen.Select(Gen.Byte.Array[32], Gen.Byte.Array[32]).Sample((a, b) =>
        {
            Assert.Equal(a, new NarHash(a).ToArray());
            Assert.Equal(new NarHash(a), NarHash.Parse(new NarHash(a).ToString()));
            Assert.Equal(Math.Sign(a.AsSpan().SequenceCompareTo(b)), Math.Sign(new NarHash(a).CompareTo(new NarHash(b))));
        });
}
