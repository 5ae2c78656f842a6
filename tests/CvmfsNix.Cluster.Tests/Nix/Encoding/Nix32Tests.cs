using CsCheck;
using CvmfsNix.Cluster.Nix.Encoding;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Encoding;

public sealed class Nix32Tests
{
    private const string Hex = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    private const string Text = "00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq";

    [Fact]
    public void The_known_digest_is_written_and_read_as_nix_does()
    {
        Assert.Equal(Text, Nix32.Encode(Convert.FromHexString(Hex)));
        Assert.Equal(Hex, Convert.ToHexStringLower(Nix32.Decode(Text)));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 2)]
    [InlineData(20, 32)]
    [InlineData(32, 52)]
    public void The_length_is_that_of_the_format(int bytes, int digits) => Assert.Equal(digits, Nix32.EncodedLength(bytes));

    [Fact]
    public void Every_byte_string_comes_back() =>
        Gen.Byte.Array[0, 400].Sample(bytes => Assert.Equal(bytes, Nix32.Decode(Nix32.Encode(bytes))));

    [Theory]
    [InlineData('e')]
    [InlineData('o')]
    [InlineData('t')]
    [InlineData('u')]
    [InlineData('A')]
    [InlineData('\u00e9')]
    [InlineData('\u0130')]
    public void A_character_outside_the_alphabet_is_refused(char bad)
    {
        Assert.False(Nix32.TryDecode(Text[..10] + bad + Text[11..], new byte[32]));
        Assert.Throws<FormatException>(() => Nix32.Decode(bad + Text[1..]));
    }

    [Fact]
    public void Bits_beyond_the_last_byte_are_refused()
    {
        Assert.True(Nix32.TryDecode("1" + Text[1..], new byte[32]));
        Assert.False(Nix32.TryDecode("2" + Text[1..], new byte[32]));
    }

    [Theory]
    [InlineData(51)]
    [InlineData(53)]
    public void Another_length_is_refused(int length) => Assert.False(Nix32.TryDecode(Text.PadRight(53, '0').AsSpan(0, length), new byte[32]));

    [Fact]
    public void Any_text_is_refused_or_is_the_one_text_of_its_bytes() =>
        Gen.String[Gen.Char[Nix32.Alphabet + "eotuA-"], 0, 60].Sample(text =>
        {
            byte[] bytes = new byte[text.Length * 5 / 8];
            if (Nix32.TryDecode(text, bytes))
                Assert.Equal(text, Nix32.Encode(bytes));
        });
}
