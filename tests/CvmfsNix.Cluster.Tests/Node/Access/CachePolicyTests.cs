using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class CachePolicyTests
{
    private const string Repository = "test.example.org";
    private static readonly AccessTokens Asked = AccessTokens.Of(["secret-token", "of-a-replica replica:s1", $"for-this-one publish:{Repository}", "for-another-one publish:other.example.org,read"]);

    [Fact]
    public void Without_a_policy_the_node_decides()
    {
        using var folder = new TestFolder();
        var access = new CacheAccess(folder.Path);
        Assert.Null(Open(access, null));
        Assert.Equal(NodeCodes.Unauthorized, Asking(access, null)!.Code);
        Assert.Equal(NodeCodes.Forbidden, Asking(access, "Bearer other-token")!.Code);
        Assert.Equal(NodeCodes.Forbidden, Asking(access, "Bearer of-a-replica")!.Code);
        Assert.Equal(NodeCodes.Forbidden, Asking(access, "Bearer for-another-one")!.Code);
        Assert.Null(Asking(access, "Bearer secret-token"));
        Assert.Null(Asking(access, "Bearer for-this-one"));
        Assert.Null(Asking(access, Basic("anybody:secret-token")));
        Assert.NotNull(Asking(access, Basic("secret-token")));
        Assert.NotNull(Asking(access, "Basic not base 64"));
    }

    [Fact]
    public void A_policy_counts_from_the_moment_it_is_written()
    {
        using var folder = new TestFolder();
        string file = Path.Combine(folder.Path, Repository + ".nix.policy");
        var access = new CacheAccess(folder.Path);
        File.WriteAllText(file, "# anybody\nwriters = open\n");
        Assert.Null(Asking(access, null));
        File.WriteAllText(file, "writers = token\n");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(7));
        Assert.Equal(NodeCodes.Unauthorized, Open(access, null)!.Code);
        Assert.Null(Open(access, Basic("x:secret-token")));
        File.WriteAllText(file, "writers = everybody\n");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(14));
        Assert.Contains("everybody", Open(access, Basic("x:secret-token"))!.Message, StringComparison.Ordinal);
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

    private static NodeError? Open(CacheAccess access, string? authorization) => access.Refusal(Repository, Caller.Anybody, Who(authorization));

    private static NodeError? Asking(CacheAccess access, string? authorization) => access.Refusal(Repository, Who(authorization), Who(authorization));

    private static Caller Who(string? authorization) => authorization is null ? Caller.None : Asked.Find(Bearer.TokenOf(authorization)) ?? Caller.Unknown();

    private static string Basic(string credentials) => "Basic " + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(credentials));
}
