using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class CachePolicyTests
{
    private const string Repository = "test.example.org";
    private static readonly AccessTokens Asked = AccessTokens.Of(["secret-token", "of-a-replica replica:s1"]);

    [Fact]
    public void Without_a_policy_the_node_decides()
    {
        using var folder = new TestFolder();
        Assert.Null(new CacheAccess(AccessTokens.Off, Asked, folder.Path).Refusal(Repository, null));
        var access = new CacheAccess(Asked, Asked, folder.Path);
        Assert.Equal(NodeCodes.Unauthorized, access.Refusal(Repository, null)!.Code);
        Assert.Equal(NodeCodes.Forbidden, access.Refusal(Repository, "Bearer other-token")!.Code);
        Assert.Equal(NodeCodes.Forbidden, access.Refusal(Repository, "Bearer of-a-replica")!.Code);
        Assert.Null(access.Refusal(Repository, "Bearer secret-token"));
        Assert.Null(access.Refusal(Repository, Basic("anybody:secret-token")));
        Assert.NotNull(access.Refusal(Repository, Basic("secret-token")));
        Assert.NotNull(access.Refusal(Repository, "Basic not base 64"));
    }

    [Fact]
    public void A_policy_counts_from_the_moment_it_is_written()
    {
        using var folder = new TestFolder();
        string file = Path.Combine(folder.Path, Repository + ".nix.policy");
        var asking = new CacheAccess(Asked, Asked, folder.Path);
        var open = new CacheAccess(AccessTokens.Off, Asked, folder.Path);

        File.WriteAllText(file, "# anybody\nwriters = open\n");
        Assert.Null(asking.Refusal(Repository, null));
        File.WriteAllText(file, "writers = token\n");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(7));
        Assert.Equal(NodeCodes.Unauthorized, open.Refusal(Repository, null)!.Code);
        Assert.Null(open.Refusal(Repository, Basic("x:secret-token")));
        File.WriteAllText(file, "writers = everybody\n");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(14));
        Assert.Contains("everybody", open.Refusal(Repository, Basic("x:secret-token"))!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Trusted_keys_are_those_of_a_nix_conf()
    {
        NixSecretKey a = NixSecretKey.Generate("a-1"), b = NixSecretKey.Generate("b-1");
        CachePolicy policy = CachePolicy.Parse($"writers = trusted-signatures\n\ntrusted-public-keys = {a.PublicKey} {b.PublicKey}\n");
        Assert.Equal(CacheWriters.TrustedSignatures, policy.Writers);
        Assert.Equal([a.PublicKey, b.PublicKey], policy.TrustedKeys);
        Assert.Throws<FormatException>(() => CachePolicy.Parse("writers = trusted-signatures"));
        Assert.Throws<FormatException>(() => CachePolicy.Parse("trusted-public-keys = a-1:x"));
        Assert.Throws<FormatException>(() => CachePolicy.Parse("reader = all"));
    }

    private static string Basic(string credentials) => "Basic " + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(credentials));
}
