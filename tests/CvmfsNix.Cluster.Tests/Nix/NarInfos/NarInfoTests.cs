using CsCheck;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Tests.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.NarInfos;

public sealed class NarInfoTests
{
    private const string Full = """
        StorePath: /nix/store/gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0
        URL: nar/04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw.nar.zst
        Compression: zstd
        FileHash: sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw
        FileSize: 99
        NarHash: sha256:019lzh282vl0rj5v575j484glm9xvmi19awhi0y6l67kml2rgn6q
        NarSize: 232
        References: gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0 gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0
        Deriver: 00000000000000000000000000000000-app-2.0.drv
        Sig: a:AAAA
        Sig: b:BBBB
        CA: fixed:r:sha256:019lzh282vl0rj5v575j484glm9xvmi19awhi0y6l67kml2rgn6q

        """;

    private const string Least = """
        StorePath: /nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one
        URL: nar/x.nar
        NarHash: sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw
        NarSize: 120

        """;

    [Fact]
    public void All_keys_are_read_and_written_in_the_order_of_nix()
    {
        NarInfo info = NarInfo.Parse(Full);
        Assert.Equal(Full, info.ToString());
        Assert.Equal(99, info.FileSize);
        Assert.Equal(["a:AAAA", "b:BBBB"], info.Signatures);
        Assert.Equal(2, info.References.Count);
        Assert.Equal(Full.Replace("FileHash: sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw\nFileSize: 99\n", "", StringComparison.Ordinal),
            NarInfo.Create(info.StoreDirectory, info.ToPathInfo(), info.Url, info.Compression).ToString());
    }

    [Fact]
    public void What_is_missing_has_the_meaning_of_nix()
    {
        NarInfo info = NarInfo.Parse(Least);
        Assert.Equal("bzip2", info.Compression);
        Assert.Empty(info.References);
        Assert.Null(info.Deriver);
        Assert.Contains("\nReferences: \n", info.ToString(), StringComparison.Ordinal);
        Assert.Null(NarInfo.Parse(Least + "Deriver: unknown-deriver\n").Deriver);
        Assert.Equal(info.ToString(), NarInfo.Parse(Least + "X-Cvmfs-Revision: 7\nReferences: \n").ToString());
        Assert.Equal("/srv/store", NarInfo.Parse(Least.Replace("/nix/store", "/srv/store", StringComparison.Ordinal)).StoreDirectory.Value);
    }

    [Theory]
    [InlineData("NarSize: 120", "NarSize: 0")]
    [InlineData("NarSize: 120", "NarSize: -1")]
    [InlineData("NarSize: 120", "NarSize:120")]
    [InlineData("NarSize: 120", "NarSize")]
    [InlineData("NarSize: 120", "NarSize: 120\nNarSize: 120")]
    [InlineData("NarSize: 120", "NarSize: 120\n")]
    [InlineData("NarSize: 120", "NarSize: 120\nReferences: \nReferences: ")]
    [InlineData("NarSize: 120", "NarSize: 120\nReferences: /nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one")]
    [InlineData("NarSize: 120", "NarSize: 120\nCompression: rot13")]
    [InlineData("NarSize: 120", "NarSize: 120\nSig: a b")]
    [InlineData("sha256:", "sha512:")]
    [InlineData("/nix/store/klin", "klin")]
    [InlineData("URL: nar/x.nar", "URL: ")]
    [InlineData("URL: nar/x.nar", "url: nar/x.nar")]
    [InlineData("120\n", "120")]
    public void A_fault_is_refused(string right, string wrong)
    {
        string text = Least.Replace(right, wrong, StringComparison.Ordinal);
        Assert.Throws<NarInfoFormatException>(() => NarInfo.Parse(text));
        Assert.False(NarInfo.TryParse(text, out _));
    }

    [Fact]
    public void A_fault_names_its_line() =>
        Assert.Equal(4, Assert.Throws<NarInfoFormatException>(() => NarInfo.Parse(Least.Replace("120", "x", StringComparison.Ordinal))).Line);

    [Fact]
    public void A_value_cannot_forge_another_line() =>
        Assert.Throws<InvalidOperationException>(() => (NarInfo.Parse(Least) with { Url = "a\nSig: b" }).ToString());

    [Fact]
    public void What_is_read_can_be_printed_whatever_the_store_directory_holds() =>
        Assert.Throws<NarInfoFormatException>(() => NarInfo.Parse(Full.Replace("/nix/store", "/nix/sto\re", StringComparison.Ordinal)));

    [Fact]
    public void What_is_printed_is_read_back()
    {
        Gen<string> words = Gen.String[Gen.Char['!', '~'], 1, 40];
        Gen<NarHash> hashes = Gen.Byte.Array[32].Select(bytes => new NarHash(bytes));
        var infos =
            from path in PathInfoGen.Names
            from references in PathInfoGen.Names.Array[0, 5]
            from hash in hashes.Array[2]
            from sizes in Gen.Long[1, long.MaxValue].Array[2]
            from texts in words.Array[2]
            from signatures in words.Array[0, 3]
            from known in Gen.Bool.Array[4]
            select new NarInfo
            {
                StoreDirectory = StoreDirectory.Parse("/a/b"),
                Path = path,
                Url = texts[0],
                Compression = NarCompression.Zstd,
                FileHash = known[0] ? hash[0] : null,
                FileSize = known[1] ? sizes[0] : null,
                NarHash = hash[1],
                NarSize = sizes[1],
                References = [.. references.Distinct().Order()],
                Deriver = known[2] ? path : null,
                Signatures = signatures,
                ContentAddress = known[3] ? texts[1] : null,
            };
        infos.Sample(info =>
        {
            NarInfo read = NarInfo.Parse(info.ToString());
            Assert.Equal(info.ToPathInfo(), read.ToPathInfo());
            Assert.Equal((info.StoreDirectory, info.Url, info.Compression, info.FileHash, info.FileSize), (read.StoreDirectory, read.Url, read.Compression, read.FileHash, read.FileSize));
        });
    }

    [Fact]
    public void Damaged_texts_are_refused_or_read_to_something_that_is_written_and_read_alike() =>
        Gen.Select(Gen.Int[0, Full.Length - 1], Gen.Char, Gen.String[Gen.Char, 0, 10]).Sample((at, c, tail) =>
        {
            if (NarInfo.TryParse(Full[..at] + c + tail + Full[(at + 1)..], out NarInfo? info))
                Assert.Equal(info.ToString(), NarInfo.Parse(info.ToString()).ToString());
        });
}
