using CsCheck;
using CvmfsNix.Cluster.Nix.Derivations;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Derivations;

public sealed class DerivationOutputsTests
{
    [Fact]
    public void Outputs_are_read_in_the_order_of_the_file()
    {
        const string file = """Derive([("dev","/nix/store/a-dev","",""),("out","/nix/store/a","r:sha256","00ff")],[("/nix/store/x.drv",["out"])],[],"x86_64-linux","/bin/sh",[],[])""";
        Assert.Equal([new("dev", "/nix/store/a-dev"), new("out", "/nix/store/a")], DerivationOutputs.TryRead(System.Text.Encoding.UTF8.GetBytes(file)));
    }

    [Fact]
    public void What_is_quoted_with_a_backslash_is_read_as_it_was_meant() =>
        Assert.Equal([new DerivationOutput("a\"b\\c\n", "")], DerivationOutputs.TryRead("Derive([(\"a\\\"b\\\\c\\n\",\"\",\"\",\"\")],"u8));

    [Theory]
    [InlineData("")]
    [InlineData("Derive(")]
    [InlineData("Derive([(\"out\",\"/nix/store/a\",\"\",\"\")")]
    [InlineData("Derive([(\"out\",\"/nix/store/a\",\"\")]")]
    [InlineData("Derive([(\"out\",\"/nix")]
    [InlineData("Derive([(\"out\\")]
    [InlineData("derive([],")]
    public void What_is_no_derivation_has_no_outputs(string file) => Assert.Null(DerivationOutputs.TryRead(System.Text.Encoding.UTF8.GetBytes(file)));

    [Fact]
    public void No_bytes_do_harm() => Gen.Byte.Array[0, 64].Sample(rest =>
        DerivationOutputs.TryRead([.. "Derive([(\"out\","u8, .. rest]) is null or { Count: < 1000 });
}
