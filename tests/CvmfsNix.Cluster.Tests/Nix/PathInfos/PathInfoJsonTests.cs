using CsCheck;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.PathInfos;

public sealed class PathInfoJsonTests
{
    private const string First = "/nix/store/00000000000000000000000000000000-first";
    private const string Second = "/nix/store/00000000000000000000000000000001-second";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData($$$"""[{"path":"{{{First}}}","signatures":["a:b","c:d"],"narSize":120},{"path":"{{{Second}}}","ca":"text:sha256:x","new":{"deep":[1]}}]""")]
    [InlineData($$$"""{"{{{First}}}":{"signatures":["a:b","c:d"],"ca":null,"closureSize":1.5e3},"{{{Second}}}":{"ca":"text:sha256:x","signatures":[]}}""")]
    public async Task Both_shapes_nix_prints_are_read_and_fields_of_other_versions_are_passed_over(string json)
    {
        Dictionary<StorePathName, PathProvenance> found = await ReadAsync(json);
        Assert.Equal(2, found.Count);
        PathProvenance first = found[StoreDirectory.Default.ParsePath(First)], second = found[StoreDirectory.Default.ParsePath(Second)];
        Assert.Equal(["a:b", "c:d"], first.Signatures);
        Assert.Null(first.ContentAddress);
        Assert.Empty(second.Signatures);
        Assert.Equal("text:sha256:x", second.ContentAddress);
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("[{", "not JSON")]
    [InlineData("[] []", "not JSON")]
    [InlineData("3", "neither array nor object")]
    [InlineData("[3]", "no path")]
    [InlineData("""[{"narSize":1}]""", "no path")]
    [InlineData("""[{"path":7}]""", "path is no text")]
    [InlineData("""[{"path":"\ud800"}]""", "path is no text")]
    [InlineData("""{"\ud800":{}}""", "no text")]
    [InlineData("""[{"path":"/elsewhere/x"}]""", "/elsewhere/x")]
    [InlineData($$$"""[{"path":"{{{First}}}"},{"path":"{{{First}}}"}]""", "twice")]
    [InlineData($$$"""{"{{{First}}}":{},"{{{First}}}":{}}""", "twice")]
    [InlineData($$$"""[{"path":"{{{First}}}","valid":false}]""", "not valid")]
    [InlineData($$$"""{"{{{First}}}":null}""", "not valid")]
    [InlineData($$$"""[{"path":"{{{First}}}","signatures":"a:b"}]""", "no array")]
    [InlineData($$$"""[{"path":"{{{First}}}","signatures":[""]}]""", "a signature is no text")]
    [InlineData($$$"""[{"path":"{{{First}}}","ca":{"method":"nar"}}]""", "content address")]
    public async Task Anything_else_is_refused_with_the_reason(string json, string reason)
    {
        PathInfoJsonException e = await Assert.ThrowsAsync<PathInfoJsonException>(() => ReadAsync(json));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_documents_are_read_or_refused_and_nothing_else() =>
        Gen.Select(Gen.Int[0, 200], Gen.Byte).Sample((at, value) =>
        {
            byte[] json = System.Text.Encoding.ASCII.GetBytes($$$"""[{"path":"{{{First}}}","signatures":["a:b"],"ca":"text:sha256:x"},{"path":"{{{Second}}}","valid":true,"ca":null}]""");
            json[at % json.Length] = value;
            try
            {
                PathInfoJson.ReadAsync(new MemoryStream(json), StoreDirectory.Default, CancellationToken.None).GetAwaiter().GetResult();
            }
            catch (PathInfoJsonException e)
            {
                Assert.NotEmpty(e.Message);
            }
        });

    private static Task<Dictionary<StorePathName, PathProvenance>> ReadAsync(string json) =>
        PathInfoJson.ReadAsync(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json)), StoreDirectory.Default, Token);
}
