using System.Text;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>What <c>nix path-info --json</c> prints: in pieces it reads the same.</summary>
public sealed class PathInfoJsonTarget : FuzzTarget
{
    public override string Name => "path-info-json";

    public override IReadOnlyList<byte[]> Words { get; } =
        [.. ((string[])["{", "}", "[", "]", ",", "\"path\":", "\"signatures\":", "\"ca\":", "\"valid\":false", "null", "\"\\ud800\"", "\"\"", "1e999"]).Select(Encoding.ASCII.GetBytes)];

    public override IEnumerable<byte[]> Seeds() => [.. ((string[])[
        "[]",
        """[{"path":"/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one","signatures":["a:b","c:d"],"ca":"fixed:r:sha256:x","narSize":1}]""",
        """{"/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one":{"signatures":[],"ca":null},"/nix/store/gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0":{}}"""]).Select(Encoding.ASCII.GetBytes)];

    public override string Run(byte[] input, Random random)
    {
        (string outcome, Dictionary<StorePathName, PathProvenance>? whole) = Read(new MemoryStream(input));
        (string again, Dictionary<StorePathName, PathProvenance>? pieces) = Read(new FragmentedStream(input, random));
        Oracle.Same(outcome, again, "the same bytes in pieces");
        Oracle.Require(whole?.Count == pieces?.Count, "the same bytes in pieces give other paths");
        return outcome;
    }

    private static (string Outcome, Dictionary<StorePathName, PathProvenance>? Infos) Read(Stream source)
    {
        try
        {
            return (Accepted, Sync.Run(new ValueTask<Dictionary<StorePathName, PathProvenance>>(PathInfoJson.ReadAsync(source, StoreDirectory.Default, default))));
        }
        catch (PathInfoJsonException e)
        {
            return (e.Message, null);
        }
    }
}
