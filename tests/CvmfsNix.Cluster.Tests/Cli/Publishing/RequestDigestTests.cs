using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Publishing;

public sealed class RequestDigestTests
{
    private static readonly PathInfo A = Info("00000000000000000000000000000000-a", 1);
    private static readonly PathInfo B = Info("11111111111111111111111111111111-b", 2);

    private static readonly byte[] Reference = RequestDigest.Compute("r.example.org", [A, B], null, null, ConflictPolicy.Keep);

    [Fact]
    public void The_digested_text_is_the_documented_one()
    {
        string text = "cvmfsnix-request 1\nrepository r.example.org\nconflict refuse\nprofile p t\npath 00000000000000000000000000000000-a 01"
            + new string('0', 62) + "\n";

        Assert.Equal(
            System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)),
            RequestDigest.Compute("r.example.org", [A], "p", "t", ConflictPolicy.Refuse));
    }

    [Fact]
    public void The_order_of_the_paths_does_not_matter() =>
        Assert.Equal(Reference, RequestDigest.Compute("r.example.org", [B, A], null, null, ConflictPolicy.Keep));

    [Fact]
    public void Whatever_is_asked_for_changes_it()
    {
        byte[][] others =
        [
            RequestDigest.Compute("s.example.org", [A, B], null, null, ConflictPolicy.Keep),
            RequestDigest.Compute("r.example.org", [A], null, null, ConflictPolicy.Keep),
            RequestDigest.Compute("r.example.org", [A, Info(B.Path.Value, 3)], null, null, ConflictPolicy.Keep),
            RequestDigest.Compute("r.example.org", [A, B], "p", A.Path.Value, ConflictPolicy.Keep),
            RequestDigest.Compute("r.example.org", [A, B], "p", B.Path.Value, ConflictPolicy.Keep),
            RequestDigest.Compute("r.example.org", [A, B], null, null, ConflictPolicy.Refuse),
        ];

        Assert.Equal(others.Length + 1, others.Append(Reference).Select(Convert.ToHexString).Distinct().Count());
    }

    private static PathInfo Info(string name, byte first)
    {
        var hash = new byte[NarHash.Size];
        hash[0] = first;
        return new PathInfo { Path = StorePathName.Parse(name), NarHash = new NarHash(hash), NarSize = 120 };
    }
}
