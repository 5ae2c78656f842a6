using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Node.Data;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>What a request of the data port carries: path, range and the hosts of a geo question. No answer leaves the repository's folder.</summary>
public sealed class HttpTarget : TextTarget
{
    private static readonly GeoAnswer Geo = new([]);

    public override string Name => "http";

    public override int LengthMax => 2000;

    // A geo question of many hosts is a list of small strings.
    public override AllocationBound Allocation => new(64 * 1024, 200);

    protected override IEnumerable<string> TextWords =>
        ["/cvmfs/", "/data/", "/api/v1.0/geo/", ".cvmfspublished", "..", "//", "\\", "%2e", "bytes=", "-", ",", "+PXYSEP+", "/upload/", "data/txn/", "18446744073709551616", "9223372036854775807"];

    protected override IEnumerable<string> TextSeeds() =>
    [
        "/cvmfs/test.example.org/.cvmfspublished", "/cvmfs/test.example.org/data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78", "/cvmfs/test.example.org/api/v1.0/geo/x/a,+PXYSEP+,b",
        "/cvmfs/info/v1/repositories.json", "/upload/test.example.org/0199", "bytes=0-5", "bytes=-5", "bytes=7-", "a,b:80,+PXYSEP+,[::1]",
    ];

    protected override string RunText(string text, Random random)
    {
        DataPath path = DataPath.Parse(text);
        if (path.Kind is DataPathKind.Object or DataPathKind.NamedFile)
        {
            Oracle.Require(RepositoryName.IsValid(path.Repository), "the repository's name is none");
            string file = Path.GetFullPath(Path.Combine("/x", path.Repository, path.Rest));
            Oracle.Require(file == $"/x/{path.Repository}/{path.Rest}", $"{text} leads to {file}");
            Oracle.Require(path.Kind == DataPathKind.NamedFile ? path.Rest.StartsWith(".cvmfs", StringComparison.Ordinal) : ObjectName.TryParsePath(path.Rest, out _), $"{text} leads to {file}");
        }

        long size = random.Next(4) switch { 0 => 0, 1 => 1, 2 => random.Next(), _ => long.MaxValue };
        ByteRange range = ByteRange.Of(text, size);
        Oracle.Require(
            range.Outcome switch
            {
                ByteRangeOutcome.Part => range.Offset >= 0 && range.Length > 0 && range.Offset <= size - range.Length,
                ByteRangeOutcome.Whole => range == new ByteRange(ByteRangeOutcome.Whole, 0, size),
                _ => true,
            },
            $"the range {range} of a file of {size} bytes");
        string? answer = Geo.ForAsync(text, text, [], CancellationToken.None).GetAwaiter().GetResult();
        if (answer is not null)
        {
            IEnumerable<int> order = answer.TrimEnd('\n').Split(',').Select(int.Parse);
            Oracle.Require(order.Order().SequenceEqual(Enumerable.Range(1, text.Split(',').Length)), $"the geo answer {answer} is no order of the hosts asked");
        }

        return path.Kind == DataPathKind.None && range.Outcome == ByteRangeOutcome.Whole && answer is null ? "nothing" : $"{Accepted} {path.Kind} {range.Outcome} {answer is null}";
    }
}
