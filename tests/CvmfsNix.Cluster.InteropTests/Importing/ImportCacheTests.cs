using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.InteropTests.Publishing;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Importing;

/// <summary>Caches that real Nix wrote are imported with the archives Nix registered; what is wrong with one is refused.</summary>
public sealed class ImportCacheTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Caches_of_every_compression_are_imported_and_checked()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        using NixSandbox nix = new();
        string folder = Path.GetDirectoryName(nix.StoreDirectory.Value)!;
        await nix.RunAsync("nix-store", "--generate-binary-cache-key", "import-1", folder + "/sk", folder + "/pk");
        string key = (await File.ReadAllTextAsync(folder + "/pk", Token)).Trim();
        StorePathName root = await nix.BuildAsync("synth.nix", "--arg", "n", "6", "--argstr", "seed", "import");
        string path = nix.StoreDirectory.FullPath(root);
        StorePathName[] closure = await StoreOnDisk.ClosureAsync(nix, root);
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Token);
        foreach (string compression in (string[])["xz", "zstd", "none", "bzip2", "gzip", "br"])
        {
            string cache = $"file://{folder}/cache-{compression}";
            await nix.RunAsync("nix", "copy", "--extra-experimental-features", "nix-command", "--to", $"{cache}?compression={compression}&secret-key={folder}/sk", path);
            PublishedRepository repository = await PublishedRepository.CreateAsync(node, nix, $"{compression}.example.org", "--store-directory", nix.StoreDirectory.Value);
            JsonElement imported = (await ImportAsync(node, cache, repository.Name, path, "--trusted-key", key)).Json;
            Assert.Equal((closure.Length, 0), (imported.GetProperty("pathsNew").GetInt32(), imported.GetProperty("pathsPresent").GetInt32()));

            await using RepositoryReader reader = await repository.OpenAsync();
            foreach ((StorePathName one, (NarHash Hash, long Size) registered) in await StoreOnDisk.RegisteredAsync(nix, closure))
                Assert.Equal((one, registered), (one, await PublishedRepository.NarOfAsync(reader, RepositoryPath.Parse(nix.StoreDirectory.Value).Combine(one.Value))));
        }

        string served = $"file://{folder}/cache-xz";
        Assert.All(node.Provenance("xz.example.org").Values, static one => Assert.StartsWith("import-1:", one.Signatures, StringComparison.Ordinal));
        JsonElement again = (await ImportAsync(node, served, "xz.example.org", path, "--trusted-key", key)).Json;
        Assert.Equal((0, 0), (again.GetProperty("pathsNew").GetInt32(), again.GetProperty("bytesFetched").GetInt32()));

        // Another key, a path the cache does not have, an archive that was changed.
        Assert.Equal((3, "UntrustedPath"), Error(await ImportAsync(node, served, "none.example.org", path, "--trusted-key", "other-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")));
        Assert.Equal((1, "UnknownPath"), Error(await ImportAsync(node, served, "none.example.org", nix.StoreDirectory.Value + "/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one", "--trusted-key", key)));
        PublishedRepository empty = await PublishedRepository.CreateAsync(node, nix, "empty.example.org", "--store-directory", nix.StoreDirectory.Value);
        foreach (string compression in (string[])["xz", "zstd", "none"])
        {
            string archive = Directory.GetFiles($"{folder}/cache-{compression}/nar").OrderByDescending(static file => new FileInfo(file).Length).First();
            byte[] bytes = await File.ReadAllBytesAsync(archive, Token);
            bytes[bytes.Length / 2] ^= 1;
            await File.WriteAllBytesAsync(archive, bytes, Token);
            (int exit, string? code) = Error(await ImportAsync(node, $"file://{folder}/cache-{compression}", empty.Name, path, "--no-check-sigs"));
            Assert.Equal(1, exit);
            Assert.Contains(code, (string[])["DamagedCache", "NarHashMismatch"]);
        }

        Assert.Equal(0, (await node.CliAsync(["repo", "show", empty.Name, "--json"], null, Token)).Json.GetProperty("paths").GetInt32());
        Assert.Empty(Directory.GetDirectories(Path.GetTempPath(), "cvmfsnix-import-*"));
    }

    private static Task<ProgramRun> ImportAsync(EmbeddedNode node, string cache, string repository, params string[] arguments) =>
        node.CliAsync(["import-cache", cache, "--repo", repository, "--json", .. arguments], null, Token);

    private static (int Exit, string? Code) Error(ProgramRun run) =>
        (run.ExitCode, JsonDocument.Parse(run.Output).RootElement.GetProperty("error").GetProperty("code").GetString());
}
