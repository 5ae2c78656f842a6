using System.Security.Cryptography;
using CvmfsNix.Cluster.FaultTests.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>What a reader is given that cannot be trusted.</summary>
[Collection(RefusingNodeTests.Name)]
public sealed class ReaderRefusalTests(RefusingNode node)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Url => $"{node.Addresses.Http}/cvmfs/{RefusingNode.Repository}";

    [Theory]
    [InlineData("ls")]
    [InlineData("cat")]
    [InlineData("get")]
    public async Task The_public_key_of_another_repository(string command)
    {
        using var other = RSA.Create(2048);
        string key = Path.Combine(node.NewFolder("key"), "other.pub");
        File.WriteAllText(key, other.ExportSubjectPublicKeyInfoPem());
        string destination = Path.Combine(node.NewFolder("copy"), "copy");
        string[] arguments = [command, "/nix/store", .. command == "get" ? (string[])[destination] : [], "--url", Url, "--pubkey", key];
        await node.RefusesAsync(() => new Refusal(1, "NotTrusted", RefusingNode.Repository, "whitelist").OfAsync(arguments, null, Ct));
        Assert.False(Path.Exists(destination));
    }

    [Fact]
    public async Task A_public_key_that_is_none()
    {
        string key = Path.Combine(node.NewFolder("key"), "garbage.pub");
        File.WriteAllText(key, "garbage");
        await new Refusal(2, "CommandLine", key, "public key").OfAsync(["ls", "/nix/store", "--url", Url, "--pubkey", key], null, Ct);
        await new Refusal(2, "CommandLine", "no-such-file", "public key").OfAsync(["ls", "/nix/store", "--url", Url, "--pubkey", "/no-such-file"], null, Ct);
    }

    [Fact]
    public Task A_repository_that_is_not_there() => new Refusal(1, "RepositoryNotFound", "nowhere.example.org").OfAsync(
        ["ls", "/nix/store", "--url", $"{node.Addresses.Http}/cvmfs/nowhere.example.org", "--pubkey", node.PublicKeyFile], null, Ct);

    [Fact]
    public Task A_server_that_is_not_there() => new Refusal(4, "Unreachable", "127.0.0.1").OfAsync(
        ["ls", "/nix/store", "--url", $"http://127.0.0.1:1/cvmfs/{RefusingNode.Repository}", "--pubkey", node.PublicKeyFile], null, Ct);
}
