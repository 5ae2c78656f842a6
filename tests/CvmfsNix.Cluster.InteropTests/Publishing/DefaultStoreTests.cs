using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Publishing;

/// <summary>
/// Paths of <c>/nix/store</c> that real Nix keeps below another root, published with <c>--store-root</c>, are served at <c>/nix/store</c> of the repository.
/// </summary>
public sealed class DefaultStoreTests
{
    private static readonly RepositoryPath StoreRoot = RepositoryPath.Parse("/nix/store");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // In a chroot store nothing can be built without namespaces; the derivations themselves are a closure of the same shape.
    [Theory]
    [InlineData("sha1")]
    [InlineData("shake128")]
    public async Task Every_path_of_a_closure_and_a_path_of_odd_things_have_the_archives_nix_registered(string hash)
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = NixSandbox.Chroot();
        string[] instantiated = await nix.LinesAsync("nix-instantiate", TestData.Path("nix/synth.nix"), "--arg", "n", "200", "--argstr", "seed", hash);
        StorePathName root = nix.StoreDirectory.ParsePath(Assert.Single(instantiated));
        StorePathName odd = await AddOddAsync(nix);
        string secret = nix.ChrootFolder + "/sk";
        await nix.RunAsync("nix-store", "--generate-binary-cache-key", "interop-1", secret, nix.ChrootFolder + "/pk");
        await nix.RunAsync("nix", "store", "sign", "--extra-experimental-features", "nix-command", "-k", secret, nix.StoreDirectory.FullPath(odd));
        StorePathName[] paths = await StoreOnDisk.ClosureAsync(nix, root);
        Assert.Equal(201, paths.Length);

        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Token);
        PublishedRepository repository = await PublishedRepository.CreateAsync(node, nix, "default.example.org", "--hash", hash);
        string[] upstream = ["--upstream-key", (await File.ReadAllTextAsync(nix.ChrootFolder + "/pk", Token)).Trim(), "--dry-run"];
        JsonElement filtered = await repository.PublishAsync([nix.StoreDirectory.FullPath(root), nix.DiskPath(odd), "--store-root", nix.ChrootFolder!, .. upstream]);
        Assert.Equal((201, 1), (filtered.GetProperty("pathsNew").GetInt32(), filtered.GetProperty("pathsUpstream").GetInt32()));
        JsonElement asked = await repository.PublishAsync([nix.DiskPath(odd), "--store-root", nix.ChrootFolder!, .. upstream, "--publish-upstream"]);
        Assert.Equal((1, 0), (asked.GetProperty("pathsNew").GetInt32(), asked.GetProperty("pathsUpstream").GetInt32()));

        JsonElement answer = await repository.PublishAsync(nix.StoreDirectory.FullPath(root), nix.DiskPath(odd), "--store-root", nix.ChrootFolder!);
        Assert.Equal(("committed", 202), (answer.GetProperty("status").GetString(), answer.GetProperty("pathsNew").GetInt32()));

        await using (RepositoryReader reader = await repository.OpenAsync())
        {
            foreach ((StorePathName path, (NarHash Hash, long Size) registered) in await StoreOnDisk.RegisteredAsync(nix, [.. paths, odd]))
                Assert.Equal((path, registered), (path, await PublishedRepository.NarOfAsync(reader, StoreRoot.Combine(path.Value))));
        }

        Assert.Empty(CatalogAudit.Run(node.RepositoryFolder(repository.Name)).Findings);
        JsonElement verified = await repository.VerifyAsync();
        Assert.Equal((202, 0), (verified.GetProperty("narPathsChecked").GetInt32(), verified.GetProperty("narPathsUnknown").GetInt32()));
        IReadOnlyDictionary<string, (string Signatures, string? ContentAddress)> kept = node.Provenance(repository.Name);
        Assert.Equal(202, kept.Count);
        Assert.Single(kept, static path => path.Value.Signatures.Split('\n').Any(static s => s.StartsWith("interop-1:", StringComparison.Ordinal)));
        Assert.All(kept.Values, path => Assert.Contains(repository.Name + "-1:", path.Signatures, StringComparison.Ordinal));
        Assert.StartsWith("fixed:r:sha256:", kept[odd.Value].ContentAddress, StringComparison.Ordinal);
        Assert.Equal(201, kept.Values.Count(static path => path.ContentAddress?.StartsWith("text:sha256:", StringComparison.Ordinal) == true));
        JsonElement again = await repository.PublishAsync(nix.StoreDirectory.FullPath(root), nix.DiskPath(odd), "--store-root", nix.ChrootFolder!);
        Assert.Equal(("unchanged", 0), (again.GetProperty("status").GetString(), again.GetProperty("objectsSent").GetInt32()));
        Assert.Equal(0, await node.StopAsync(Token));
    }

    [Fact]
    public async Task Publishing_1500_paths_again_costs_two_requests()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = NixSandbox.Chroot();
        string folder = Directory.CreateDirectory(nix.ChrootFolder + "/in").FullName;
        string[] files = [.. Enumerable.Range(0, 1500).Select(i => Path.Combine(folder, $"file{i}"))];
        foreach (string file in files)
            await File.WriteAllTextAsync(file, file, Token);
        string[] paths = await nix.LinesAsync("nix-store", ["--add", .. files]);

        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Token);
        PublishedRepository repository = await PublishedRepository.CreateAsync(node, nix, "many.example.org");
        JsonElement first = await repository.PublishAsync([.. paths, "--store-root", nix.ChrootFolder!]);
        Assert.Equal(1500, first.GetProperty("pathsNew").GetInt32());

        JsonElement again = default;
        IReadOnlyList<string> requests = await node.RequestsDuringAsync(
            async () => again = await repository.PublishAsync([.. paths, "--store-root", nix.ChrootFolder!]), Token);
        Assert.Equal(("unchanged", 0), (again.GetProperty("status").GetString(), again.GetProperty("objectsSent").GetInt32()));
        Assert.Equal(first.GetProperty("revision").GetUInt64(), again.GetProperty("revision").GetUInt64());
        Assert.Equal(2, requests.Count);
    }

    private static async Task<StorePathName> AddOddAsync(NixSandbox nix)
    {
        using NixSandbox builder = new();
        StorePathName odd = await builder.BuildAsync("odd.nix");
        return nix.StoreDirectory.ParsePath(Assert.Single(await nix.LinesAsync("nix-store", "--add", builder.DiskPath(odd))));
    }
}
