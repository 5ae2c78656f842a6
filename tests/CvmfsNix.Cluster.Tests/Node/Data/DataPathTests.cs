using CsCheck;
using CvmfsNix.Cluster.Node.Data;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Data;

public sealed class DataPathTests
{
    private const string Hash = "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78";

    [Theory]
    [InlineData("/cvmfs/a.example.org/.cvmfspublished", DataPathKind.NamedFile, ".cvmfspublished")]
    [InlineData("/cvmfs/a.example.org/.cvmfs_master_replica", DataPathKind.NamedFile, ".cvmfs_master_replica")]
    [InlineData("/cvmfs/a.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78", DataPathKind.Object, "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")]
    [InlineData("/cvmfs/a.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C", DataPathKind.Object, "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C")]
    [InlineData("/cvmfs/a.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-shake128P", DataPathKind.Object, "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-shake128P")]
    [InlineData("/cvmfs/a.example.org/api/v1.0/geo/x/a,b", DataPathKind.Geo, "a,b")]
    [InlineData("/cvmfs/info/v1/repositories.json", DataPathKind.RepositoryList, "")]
    [InlineData("/upload/a.example.org/anything", DataPathKind.Upload, "anything")]
    [InlineData("/peer/a.example.org/have", DataPathKind.Peer, "have")]
    public void What_is_served_is_recognised(string path, DataPathKind kind, string rest)
    {
        DataPath parsed = DataPath.Parse(path);
        Assert.Equal((kind, rest), (parsed.Kind, parsed.Rest));
    }

    [Fact]
    public void A_binary_cache_takes_apart_its_paths_itself() =>
        Assert.Equal(new DataPath(DataPathKind.BinaryCache, "a.example.org", "nar/x/../y"), DataPath.Parse("/nix/a.example.org/nar/x/../y"));

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/cvmfs")]
    [InlineData("/cvmfs/a.example.org")]
    [InlineData("/cvmfs/a.example.org/")]
    [InlineData("/cvmfs/a.example.org/data")]
    [InlineData("/cvmfs/a.example.org/data/")]
    [InlineData("/cvmfs/a.example.org/data/txn/x")]
    [InlineData("/cvmfs/a.example.org/data/e8/" + Hash)]
    [InlineData("/cvmfs/a.example.org/data/e8/EC3d88b62ebf526e4e5a4ff6162a3aa48a6b78")]
    [InlineData("/cvmfs/a.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78T")]
    [InlineData("/cvmfs/a.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78/x")]
    [InlineData("/cvmfs/a.example.org/../b/.cvmfspublished")]
    [InlineData("/cvmfs/../.cvmfspublished")]
    [InlineData("/cvmfs/a.example.org/.cvmfs/../x")]
    [InlineData("/cvmfs/a.example.org/.cvmfs..\\x")]
    [InlineData("/cvmfs/a.example.org/passwd")]
    [InlineData("/cvmfs/a.example.org/.cvmfs")]
    [InlineData("/cvmfs/.hidden/.cvmfspublished")]
    [InlineData("/nix/a.example.org")]
    [InlineData("/nix/.a/nix-cache-info")]
    [InlineData("cvmfs/a.example.org/.cvmfspublished")]
    public void Everything_else_is_nothing(string path) => Assert.Equal(DataPathKind.None, DataPath.Parse(path).Kind);

    [Fact]
    public void No_text_leads_out_of_the_repository_folder()
    {
        string[] known = ["", ".", "..", "data", "txn", "e8", "cvmfs", "a.b", ".cvmfspublished", "\\..", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"];
        Gen<string> part = Gen.OneOf(Gen.Int[0, known.Length - 1].Select(i => known[i]), Gen.String);
        part.Array[0, 9].Sample(parts =>
        {
            DataPath path = DataPath.Parse("/cvmfs/" + string.Join('/', parts));
            if (path.Kind is DataPathKind.NamedFile or DataPathKind.Object)
            {
                string root = $"/srv/cvmfs/{path.Repository}/";
                Assert.StartsWith(root, Path.GetFullPath(Path.Combine(root, path.Rest)));
                Assert.DoesNotContain("txn", path.Rest[..Math.Min(8, path.Rest.Length)]);
            }
        });
    }

    [Theory]
    [InlineData("a", "1\n")]
    [InlineData("a,b.example.org,10.0.0.1", "1,2,3\n")]
    [InlineData("a,+PXYSEP+,p1,p2", "1,3,4,2\n")]
    [InlineData("", null)]
    [InlineData("a,,b", null)]
    [InlineData("a b", null)]
    public async Task The_geo_answer_is_a_permutation_of_all_elements(string hosts, string? answer) =>
        Assert.Equal(answer, await new GeoAnswer([]).ForAsync("somebody", hosts, [], TestContext.Current.CancellationToken));

    [Theory]
    [InlineData(null, ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("bytes=0-0", ByteRangeOutcome.Part, 0, 1)]
    [InlineData("bytes=10-19", ByteRangeOutcome.Part, 10, 10)]
    [InlineData("bytes=90-", ByteRangeOutcome.Part, 90, 10)]
    [InlineData("bytes=90-1000", ByteRangeOutcome.Part, 90, 10)]
    [InlineData("bytes=-5", ByteRangeOutcome.Part, 95, 5)]
    [InlineData("bytes=-500", ByteRangeOutcome.Part, 0, 100)]
    [InlineData("bytes=100-", ByteRangeOutcome.Unsatisfiable, 0, 0)]
    [InlineData("bytes=-0", ByteRangeOutcome.Unsatisfiable, 0, 0)]
    [InlineData("bytes=5-4", ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("bytes=0-1,3-4", ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("bytes=-", ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("bytes=a-b", ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("lines=0-1", ByteRangeOutcome.Whole, 0, 100)]
    [InlineData("bytes=99999999999999999999-", ByteRangeOutcome.Whole, 0, 100)]
    public void A_single_range_is_understood_and_anything_odd_means_the_whole_file(string? header, ByteRangeOutcome outcome, long offset, long length) =>
        Assert.Equal(new ByteRange(outcome, offset, length), ByteRange.Of(header, 100));
}
