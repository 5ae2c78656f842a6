using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Staging;

public sealed class PathSpoolTests
{
    private const string Digits = "0123456789abcdfghijklmnpqrsvwxyz";

    // Few digits, at both ends of the hash part, so that hash parts and names are shared often.
    private static readonly Gen<StorePathName> GenName = Gen.Select(
        Gen.Int[0, Digits.Length - 1], Gen.Int[0, 2], Gen.Int[0, 2].Select(i => ((string[])["a", "b", "a-1"])[i]),
        (first, last, name) => StorePathName.Parse($"{Digits[first]}{new string('0', 30)}{Digits[last * 15]}-{name}"));

    [Fact]
    public void Paths_come_in_the_order_of_their_names_each_once_as_it_was_kept_last() => Gen.Select(GenName, Gen.Int[1, 1000]).List[0, 60].Sample(added =>
    {
        using var folder = new StoreFolder();
        using var spool = new PathSpool(folder.At("paths"), HashAlgorithmId.Sha1);
        var expected = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach ((StorePathName path, int narSize) in added)
        {
            spool.Add(Record(path, narSize));
            expected[path.Value] = narSize;
        }

        Assert.Equal(expected.Count, spool.Count);
        for (int reading = 0; reading < 2; reading++)
            Assert.Equal(expected.Select(e => (e.Key, (long)e.Value)), spool.Read().Select(r => (r.Info.Path.Value, r.Info.NarSize)));
        spool.Dispose();
        Assert.Empty(Directory.EnumerateFiles(folder.Path));
    }, iter: 200);

    private static PathRecord Record(StorePathName path, int narSize) => new()
    {
        Info = new PathInfo { Path = path, NarHash = new NarHash(new byte[NarHash.Size]), NarSize = narSize, References = [], Signatures = [] },
        InlineTree = new TreeNode { Kind = TreeNodeKind.Symlink, Target = "target"u8.ToArray() },
        Objects = [],
    };
}
