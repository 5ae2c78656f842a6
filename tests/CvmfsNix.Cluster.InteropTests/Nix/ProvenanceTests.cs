using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Nix;

/// <summary>Signatures and content addresses are read from the Nix that is installed here, and their loss is said.</summary>
public sealed class ProvenanceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Signatures_and_content_addresses_are_those_nix_keeps()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = new();
        string file = nix.StoreDirectory.Value + "-input", secret = nix.StoreDirectory.Value + "-sk", @public = nix.StoreDirectory.Value + "-pk";
        await File.WriteAllTextAsync(file, "some content\n", Token);
        StorePathName source = await OnlyPathAsync(nix, "nix-store", "--add", file);
        StorePathName flat = await OnlyPathAsync(nix, "nix-store", "--add-fixed", "sha256", file);
        StorePathName built = await nix.BuildAsync("synth.nix", "--arg", "n", "3", "--argstr", "seed", "provenance");
        StorePathName derivation = await OnlyPathAsync(nix, "nix-store", "-q", "--deriver", nix.StoreDirectory.FullPath(built));
        await nix.RunAsync("nix-store", "--generate-binary-cache-key", "interop-1", secret, @public);
        await nix.RunAsync(
            "nix", "store", "sign", "--extra-experimental-features", "nix-command", "-k", secret, nix.StoreDirectory.FullPath(built), nix.StoreDirectory.FullPath(source));

        List<string> warnings = [];
        LocalNixStore store = new(nix.StoreDirectory, environment: nix.Environment, warn: warnings.Add);
        Dictionary<StorePathName, PathInfo> infos = (await store.QueryAsync([built, source, flat, derivation], closure: true, Token)).ToDictionary(static info => info.Path);

        Assert.Empty(warnings);
        NixPublicKey key = NixPublicKey.Parse(await File.ReadAllTextAsync(@public, Token));
        foreach (StorePathName signed in (StorePathName[])[built, source])
            Assert.True(key.Verify(Fingerprint.Of(nix.StoreDirectory, infos[signed]), Assert.Single(infos[signed].Signatures)));
        Assert.Equal((StorePathName[])[.. ((StorePathName[])[built, source]).Order()], infos.Values.Where(static info => info.Signatures.Count > 0).Select(static info => info.Path).Order());
        Assert.StartsWith("fixed:r:sha256:", infos[source].ContentAddress, StringComparison.Ordinal);
        Assert.StartsWith("fixed:sha256:", infos[flat].ContentAddress, StringComparison.Ordinal);
        Assert.StartsWith("text:sha256:", infos[derivation].ContentAddress, StringComparison.Ordinal);
        Assert.Null(infos[built].ContentAddress);
    }

    [Theory]
    [InlineData("/nonexistent/nix", "Install Nix")]
    [InlineData("false", "exit status 1")]
    [InlineData("true", "not JSON")]
    public async Task Where_nix_cannot_tell_paths_come_without_them_and_it_is_said_once(string program, string reason)
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = new();
        string file = nix.StoreDirectory.Value + "-input";
        await File.WriteAllTextAsync(file, "some content\n", Token);
        StorePathName source = await OnlyPathAsync(nix, "nix-store", "--add", file);
        List<string> warnings = [];
        LocalNixStore store = new(nix.StoreDirectory, environment: nix.Environment, nixProgram: program, warn: warnings.Add);
        for (int i = 0; i < 2; i++)
        {
            PathInfo info = Assert.Single(await store.QueryAsync([source], closure: true, Token));
            Assert.Empty(info.Signatures);
            Assert.Null(info.ContentAddress);
        }

        Assert.Contains(reason, Assert.Single(warnings), StringComparison.Ordinal);
    }

    private static async Task<StorePathName> OnlyPathAsync(NixSandbox nix, string program, params string[] arguments) =>
        nix.StoreDirectory.ParsePath(Assert.Single(await nix.LinesAsync(program, arguments)));
}
