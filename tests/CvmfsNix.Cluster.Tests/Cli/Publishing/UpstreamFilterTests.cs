using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

public sealed class UpstreamFilterTests
{
    private static readonly NixSecretKey s_upstream = NixSecretKey.Generate("upstream-1");
    private static readonly NixSecretKey s_other = NixSecretKey.Generate("upstream-1");

    [Fact]
    public void What_upstream_has_signed_is_left_out_unless_something_that_stays_refers_to_it()
    {
        PathInfo library = Info(1, s_upstream), needed = Info(2, s_upstream, library), alone = Info(3, s_upstream, library), own = Info(4, null, needed), forged = Info(5, s_other);
        var filter = new UpstreamFilter([s_upstream.PublicKey]);

        (IReadOnlyList<PathInfo> publish, IReadOnlyList<PathInfo> upstream) = filter.Split(StoreDirectory.Default, [library, needed, alone, own, forged], null);

        Assert.Equal([library, needed, own, forged], publish);
        Assert.Equal([alone], upstream);
    }

    [Fact]
    public void A_profile_keeps_its_path_and_its_references()
    {
        PathInfo library = Info(1, s_upstream), top = Info(2, s_upstream, library), other = Info(3, s_upstream);
        (IReadOnlyList<PathInfo> publish, IReadOnlyList<PathInfo> upstream) =
            new UpstreamFilter([s_upstream.PublicKey]).Split(StoreDirectory.Default, [library, top, other], top.Path);
        Assert.Equal([library, top], publish);
        Assert.Equal([other], upstream);
    }

    private static PathInfo Info(int number, NixSecretKey? key, params PathInfo[] references)
    {
        var info = new PathInfo
        {
            Path = StorePathName.Parse($"{number:D32}-p"),
            NarHash = NarHash.Parse("sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw"),
            NarSize = 120,
            References = [.. references.Select(static one => one.Path)],
        };
        return key is null ? info : info with { Signatures = [key.Sign(Fingerprint.Of(StoreDirectory.Default, info))] };
    }
}
