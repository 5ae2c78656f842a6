using CsCheck;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Signing;

public sealed class NixKeyTests
{
    // The first test key of RFC 8032, which everyone knows.
    private const string Secret = "rfc8032-1:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    private const string Public = "rfc8032-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    private const string Lone = "1;/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one;sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw;120;";
    private const string LoneSignature = "rfc8032-1:KOZjPQMtDDdCZl8kILEfBrKaU84coRUQ+J7sw1pvu1KihwqEQ8Y/wMlSUu+pLvQcfCDOq21NZCJrPHKeyatrBw==";
    private const string Referring = "1;/nix/store/gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0;sha256:019lzh282vl0rj5v575j484glm9xvmi19awhi0y6l67kml2rgn6q;232;/nix/store/gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0,/nix/store/gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0";
    private const string ReferringSignature = "rfc8032-1:iPJ8w+62Tsb9/yH4hpM3n4SOyOJwl7ThE7o7f60keTk2lUUHRrAEUzFqc7s22cFTSWSeaU3yIkKKZWt36uDvCQ==";

    [Theory]
    [InlineData(Lone, LoneSignature)]
    [InlineData(Referring, ReferringSignature)]
    public void Signatures_are_those_of_nix(string fingerprint, string signature)
    {
        Assert.Equal(signature, NixSecretKey.Parse(Secret).Sign(fingerprint));
        Assert.True(NixPublicKey.Parse(Public).Verify(fingerprint, signature));
        Assert.False(NixPublicKey.Parse(Public).Verify(fingerprint + " ", signature));
    }

    [Fact]
    public void Fingerprints_are_those_of_nix()
    {
        Assert.Equal(Lone, Fingerprint.Of(StoreDirectory.Default, new PathInfo
        {
            Path = StorePathName.Parse("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one"),
            NarHash = NarHash.Parse("sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"),
            NarSize = 120,
        }));
        StorePathName app = StorePathName.Parse("gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0");
        Assert.Equal(Referring, Fingerprint.Of(StoreDirectory.Default, new PathInfo
        {
            Path = app,
            NarHash = NarHash.Parse("sha256:019lzh282vl0rj5v575j484glm9xvmi19awhi0y6l67kml2rgn6q"),
            NarSize = 232,
            References = [StorePathName.Parse("gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0"), app],
        }));
    }

    [Fact]
    public void Keys_are_read_and_written_and_the_secret_is_not_shown_by_accident()
    {
        NixSecretKey key = NixSecretKey.Parse(Secret + "\n");
        Assert.Equal(Secret, key.ToSecretString());
        Assert.Equal(Public, key.PublicKey.ToString());
        Assert.Equal(NixPublicKey.Parse(Public), key.PublicKey);
        Assert.DoesNotContain("nWGxne", $"{key}", StringComparison.Ordinal);
        FormatException e = Assert.Throws<FormatException>(() => NixSecretKey.Parse(Secret[..^4]));
        Assert.DoesNotContain("nWGxne", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_key_signs_what_only_its_public_key_accepts()
    {
        NixSecretKey one = NixSecretKey.Generate("cache-1"), other = NixSecretKey.Generate("cache-1");
        string signature = NixSecretKey.Parse(one.ToSecretString()).Sign(Lone);
        Assert.True(one.PublicKey.Verify(Lone, signature));
        Assert.False(other.PublicKey.Verify(Lone, signature));
        Assert.NotEqual(one.PublicKey, other.PublicKey);
        Assert.Throws<ArgumentException>(() => NixSecretKey.Generate("a:b"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("rfc8032-1")]
    [InlineData("rfc8032-1:")]
    [InlineData(":11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    [InlineData("rfc8032-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    [InlineData("rfc8032-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=")]
    [InlineData("rfc8032-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUR==")]
    [InlineData("a b:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    public void What_is_no_public_key_is_refused(string text) => Assert.Throws<FormatException>(() => NixPublicKey.Parse(text));

    [Fact]
    public void A_secret_key_whose_halves_do_not_belong_together_is_refused()
    {
        byte[] bytes = Convert.FromBase64String(Secret.Split(':')[1]);
        bytes[40] ^= 1;
        FormatException e = Assert.Throws<FormatException>(() => NixSecretKey.Parse("k:" + Convert.ToBase64String(bytes)));
        Assert.Contains("damaged", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_signature_of_another_name_or_with_any_bit_changed_is_not_accepted()
    {
        NixPublicKey key = NixPublicKey.Parse(Public);
        Assert.False(key.Verify(Lone, LoneSignature.Replace("rfc8032-1:", "rfc8032-2:", StringComparison.Ordinal)));
        byte[] right = Convert.FromBase64String(LoneSignature.Split(':')[1]);
        Gen.Select(Gen.Int[0, 63], Gen.Int[0, 7]).Sample((index, bit) =>
        {
            byte[] wrong = [.. right];
            wrong[index] ^= (byte)(1 << bit);
            Assert.False(key.Verify(Lone, "rfc8032-1:" + Convert.ToBase64String(wrong)));
        });
    }

    [Fact]
    public void Any_bytes_as_key_and_any_text_as_signature_are_simply_not_valid() =>
        Gen.Select(Gen.Byte.Array[32], Gen.String).Sample((key, text) =>
        {
            NixPublicKey any = NixPublicKey.Parse("rfc8032-1:" + Convert.ToBase64String(key));
            Assert.False(any.Verify(Lone, LoneSignature));
            Assert.False(any.Verify(Lone, text));
        });
}
