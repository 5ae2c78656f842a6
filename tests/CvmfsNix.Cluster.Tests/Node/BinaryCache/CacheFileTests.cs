using CvmfsNix.Cluster.Node.BinaryCache;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

public sealed class CacheFileTests
{
    private const string Hash = "0123456789abcdfghijklmnpqrsvwxyz";

    [Theory]
    [InlineData("nix-cache-info", "CacheInfo", "")]
    [InlineData(Hash + ".narinfo", "NarInfo", Hash)]
    [InlineData(Hash + ".ls", "Listing", Hash)]
    [InlineData("nar/x-1.nar.xz", "Nar", "x-1.nar.xz")]
    [InlineData("log/" + Hash + "-hello-1.0.drv", "Companion", "log/" + Hash + "-hello-1.0.drv")]
    [InlineData("realisations/sha256:00ff!out.doi", "Companion", "realisations/sha256:00ff!out.doi")]
    [InlineData("build-trace-v2/a.drv/out.doi", "Companion", "build-trace-v2/a.drv/out.doi")]
    public void A_name_of_the_protocol_is_known(string path, string kind, string name) =>
        Assert.Equal(new CacheFile(Enum.Parse<CacheFileKind>(kind), name), CacheFile.Parse(path));

    [Theory]
    [InlineData("")]
    [InlineData("nix-cache-info/")]
    [InlineData("e123456789abcdfghijklmnpqrsvwxyz.narinfo")]
    [InlineData(Hash + "0.narinfo")]
    [InlineData("nar/")]
    [InlineData("nar/../../etc/passwd")]
    [InlineData("nar/..")]
    [InlineData("nar/a/b")]
    [InlineData("log/..")]
    [InlineData("log/a\0b")]
    [InlineData("build-trace-v2/../out.doi")]
    [InlineData("realisations/")]
    [InlineData("zstd/zstd/nix-cache-info")]
    public void What_is_no_name_of_the_protocol_names_nothing(string path) => Assert.Equal(CacheFileKind.None, CacheFile.Parse(path).Kind);

    [Fact]
    public void Below_zstd_lies_the_same_cache_compressed() =>
        Assert.Equal(new CacheFile(CacheFileKind.NarInfo, Hash, Zstd: true), CacheFile.Parse("zstd/" + Hash + ".narinfo"));
}
