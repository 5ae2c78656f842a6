using System.Text;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Tests.Node.Control;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Grpc.Core;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Access;

public sealed class IssuerTokensTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tokens_of_the_issuer_are_good_for_what_its_claims_and_the_rules_say()
    {
        using var folder = new TestFolder();
        using var issuer = new TestIssuer();
        using var stranger = new TestIssuer();
        string keys = folder.Write("jwks.json", issuer.Keys);
        string rules = folder.Write("rules", $"# builders\nsub=repo:org/* ref=refs/heads/main -> publish:{WholeNode.Repository}\nsub=ops -> operate\n");
        await using WholeNode node = await WholeNode.StartAsync(null, null, "127.0.0.1:0", [.. TestIssuer.Switches(keys), "--oidc-rules", rules]);
        var main = new Dictionary<string, object> { ["sub"] = "repo:org/app", ["ref"] = "refs/heads/main" };

        Assert.Equal("", await RefusalAsync(node, issuer.Token(main)));
        Assert.Contains("it needs the scope publish", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "repo:org/app", ["ref"] = "refs/heads/other" })), StringComparison.Ordinal);
        Assert.Contains("it needs the scope publish", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "ops" })), StringComparison.Ordinal);
        // With rules nothing else counts.
        Assert.Contains("has none", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "x", ["scope"] = "admin" })), StringComparison.Ordinal);

        Assert.Contains("another audience", await RefusalAsync(node, issuer.Token(main, audience: "somebody-else")), StringComparison.Ordinal);
        Assert.Contains("another issuer", await RefusalAsync(node, issuer.Token(main, issuer: "https://other.example.org")), StringComparison.Ordinal);
        Assert.Contains("has ended", await RefusalAsync(node, issuer.Token(main, hours: -1)), StringComparison.Ordinal);
        Assert.Contains("no key of the issuer", await RefusalAsync(node, stranger.Token(main)), StringComparison.Ordinal);
        string good = issuer.Token(main);
        string[] parts = good.Split('.');
        Assert.NotEqual("", await RefusalAsync(node, $"{parts[0]}.{Base64UrlEncoder.Encode(Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(parts[1])).Replace("app", "apq", StringComparison.Ordinal))}.{parts[2]}"));
        Assert.NotEqual("", await RefusalAsync(node, $"{Base64UrlEncoder.Encode("{\"alg\":\"none\",\"typ\":\"JWT\"}")}.{parts[1]}."));
        Assert.NotEqual("", await RefusalAsync(node, "a.b.c"));

        // Keys and rules are read again when they change.
        File.WriteAllText(keys, stranger.Keys + " ");
        File.WriteAllText(rules, $"sub=repo:org/* -> publish:{WholeNode.Repository} read\n");
        Assert.Contains("no key of the issuer", await RefusalAsync(node, issuer.Token(main)), StringComparison.Ordinal);
        Assert.Equal("", await RefusalAsync(node, stranger.Token(new() { ["sub"] = "repo:org/app" })));
    }

    [Fact]
    public async Task Without_rules_the_scopes_the_issuer_grants_count()
    {
        using var folder = new TestFolder();
        using var issuer = new TestIssuer();
        await using WholeNode node = await WholeNode.StartAsync(null, null, "127.0.0.1:0", TestIssuer.Switches(folder.Write("jwks.json", issuer.Keys)));
        Assert.Equal("", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "a", ["scope"] = $"openid publish:{WholeNode.Repository}" })));
        Assert.Equal("", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "a", ["scopes"] = new[] { "publish:*" } })));
        Assert.Contains("has read", await RefusalAsync(node, issuer.Token(new() { ["sub"] = "a", ["scope"] = "openid read" })), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sub=a")]
    [InlineData("-> read")]
    [InlineData("sub -> read")]
    [InlineData("sub=a -> write")]
    [InlineData("sub=a ->")]
    [InlineData("# nothing")]
    public void A_file_that_holds_something_else_than_rules_is_refused(string text) =>
        Assert.Throws<InvalidDataException>(() => OutsideRules.Parse(text, "rules"));

    // Empty when it is allowed: the transaction does not exist, which is said to whoever may publish.
    private static async Task<string> RefusalAsync(WholeNode node, string token)
    {
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.FindPathsAsync(
            new FindPathsRequest { Repository = WholeNode.Repository, Transaction = Guid.CreateVersion7().ToString() }, new Metadata { { "authorization", "Bearer " + token } }, cancellationToken: Ct));
        Assert.DoesNotContain(token, failure.ToString(), StringComparison.Ordinal);
        return failure.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied ? failure.Status.Detail : "";
    }
}
