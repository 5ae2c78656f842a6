using System.Text;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.BinaryCache;

/// <summary>The Nix that is installed here pushes to a node and fetches from its stratum1, with signatures required.</summary>
public sealed class StockNixCacheTests(CachedClosure closure) : IClassFixture<CachedClosure>
{
    private static bool FullSize => Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1";

    [Theory]
    [InlineData("none")]
    [InlineData("xz")]
    public async Task A_closure_that_was_pushed_comes_back_from_a_stratum1(string compression)
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        int paths = FullSize ? 200 : 60;
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", $"{paths}", "--argstr", "seed", compression);
        string path = closure.FullPath(root), mirror = closure.Mirror.CacheUrl(CachedClosure.Repository);

        (await closure.RunAsync("nix", "copy", "--to", $"{closure.Core.CacheUrl(CachedClosure.Repository)}?compression={compression}", path)).Succeeded();
        await CachedClosure.ShownAsync(mirror, root);

        string copied = $"local?root={closure.Folder("copied")}", realised = $"local?root={closure.Folder("realised")}", refused = $"local?root={closure.Folder("refused")}";
        string[] trusted = ["--option", "trusted-public-keys", closure.PublicKey];
        (await closure.RunAsync("nix", ["copy", "--from", mirror, "--to", copied, path, .. trusted])).Succeeded();
        (await closure.RunAsync("nix-store", ["--store", realised, "--realise", path, "--option", "substituters", mirror, .. trusted])).Succeeded();
        ProgramRun distrusting = await closure.RunAsync("nix", "copy", "--from", mirror, "--to", refused, path, "--option", "trusted-public-keys", "");
        Assert.NotEqual(0, distrusting.ExitCode);
        Assert.Contains("signature", distrusting.Errors, StringComparison.Ordinal);

        string registered = await HashesAsync("daemonless", path);
        Assert.Equal(paths + 1, registered.Split('\n').Length);
        foreach (string store in (string[])[copied, realised])
        {
            Assert.Equal(registered, await HashesAsync(store, path));
            (await closure.RunAsync("nix", ["store", "verify", "--store", store, "-r", path, .. trusted])).Succeeded();
        }

        (await closure.RunAsync("nix", ["store", "verify", "--store", mirror, "-r", path, .. trusted])).Succeeded();
        ProgramRun listed = await closure.RunAsync("nix", "store", "ls", "--store", mirror, "-lR", path);
        Assert.Contains("dr-xr-xr-x                    0 ./bin\n", listed.Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eight_clients_push_one_closure_at_once()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", FullSize ? "200" : "40", "--argstr", "seed", "eight");
        string url = closure.Core.CacheUrl(CachedClosure.Repository) + "?compression=none";

        ProgramRun[] runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => closure.RunAsync("nix", "copy", "--to", url, closure.FullPath(root))));

        Assert.All(runs, run => run.Succeeded());
        string target = $"local?root={closure.Folder("eight")}";
        (await closure.RunAsync("nix", "copy", "--from", closure.Core.CacheUrl(CachedClosure.Repository), "--to", target, closure.FullPath(root), "--option", "trusted-public-keys", closure.PublicKey)).Succeeded();
        Assert.Equal(await HashesAsync("daemonless", closure.FullPath(root)), await HashesAsync(target, closure.FullPath(root)));
    }

    [Fact]
    public async Task Signatures_are_added_to_what_is_there_by_signing_in_the_cache_and_by_copying_them()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "3", "--argstr", "seed", "signed");
        string path = closure.FullPath(root), url = closure.Core.CacheUrl(CachedClosure.Repository), keys = closure.Folder("keys");
        foreach (string name in (string[])["first", "second"])
            (await closure.RunAsync("nix-store", "--generate-binary-cache-key", name + "-1", $"{keys}/{name}", $"{keys}/{name}.pub")).Succeeded();
        (await closure.RunAsync("nix", "copy", "--to", url + "?compression=none", path)).Succeeded();

        (await closure.RunAsync("nix", "store", "sign", "--store", url, "-r", "-k", keys + "/first", path)).Succeeded();
        (await closure.RunAsync("nix", "store", "sign", "-r", "-k", keys + "/second", path)).Succeeded();
        string other = $"file://{closure.Folder("other")}";
        (await closure.RunAsync("nix", "copy", "--no-check-sigs", "--to", other, path)).Succeeded();
        (await closure.RunAsync("nix", "store", "copy-sigs", "--store", url, "-s", other, "-r", path)).Succeeded();
        (await closure.RunAsync("nix", "store", "sign", "--store", url, "-r", "-k", keys + "/first", path)).Succeeded();

        using var client = new HttpClient();
        string info = await client.GetStringAsync(new Uri($"{url}/{root.Value[..StorePathName.HashLength]}.narinfo"), TestContext.Current.CancellationToken);
        Assert.Equal([CachedClosure.Repository + "-1", "first-1", "second-1"], info.Split('\n').Where(l => l.StartsWith("Sig: ", StringComparison.Ordinal)).Select(l => l[5..l.LastIndexOf(':')]));
        // Whoever trusts only the one or the other finds all of the closure signed.
        foreach (string name in (string[])["first", "second"])
        {
            string trusted = (await File.ReadAllTextAsync($"{keys}/{name}.pub", TestContext.Current.CancellationToken)).Trim();
            (await closure.RunAsync("nix", "store", "verify", "--store", url, "-r", path, "--option", "trusted-public-keys", trusted)).Succeeded();
        }
    }

    [Fact]
    public async Task Nix_shows_why_a_push_is_refused_and_pushes_with_a_netrc()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        const string Guarded = "guarded.example.org";
        (await closure.Core.CliAsync(["repo", "create", Guarded, "--store-directory", closure.Nix.StoreDirectory.Value], null, TestContext.Current.CancellationToken)).Succeeded();
        await File.WriteAllTextAsync(Path.Combine(closure.Core.KeyFolder, Guarded + ".nix.policy"), "writers = token\n", TestContext.Current.CancellationToken);
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "2", "--argstr", "seed", "guarded");
        string url = closure.Core.CacheUrl(Guarded) + "?compression=zstd", path = closure.FullPath(root);
        string netrc = Path.Combine(closure.Folder("netrc"), "netrc");
        string token = (await File.ReadAllTextAsync(Path.Combine(closure.Core.KeyFolder, "admin.token"), TestContext.Current.CancellationToken)).Trim();
        await File.WriteAllTextAsync(netrc, $"machine 127.0.0.1 login ci password {token}\n", Encoding.ASCII, TestContext.Current.CancellationToken);

        ProgramRun without = await closure.RunAsync("nix", "copy", "--to", url, path);
        ProgramRun with = await closure.RunAsync("nix", "copy", "--to", url, path, "--netrc-file", netrc);

        Assert.NotEqual(0, without.ExitCode);
        Assert.Contains("Unauthorized: Pushing to this binary cache needs a token.", without.Errors, StringComparison.Ordinal);
        with.Succeeded();
        await CachedClosure.ShownAsync(closure.Core.CacheUrl(Guarded), root);
    }

    [Fact]
    public async Task What_nix_sends_and_is_no_good_is_refused_as_nix_shows_it_and_nothing_is_left()
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        const string Strict = "strict.example.org";
        (await closure.Core.CliAsync(["repo", "create", Strict, "--store-directory", closure.Nix.StoreDirectory.Value], null, TestContext.Current.CancellationToken)).Succeeded();
        string keys = closure.Folder("keys"), url = closure.Core.CacheUrl(Strict) + "?compression=none";
        foreach (string name in (string[])["trusted", "stranger"])
            (await closure.RunAsync("nix-store", "--generate-binary-cache-key", name + "-1", $"{keys}/{name}", $"{keys}/{name}.pub")).Succeeded();
        string trusted = (await File.ReadAllTextAsync(keys + "/trusted.pub", TestContext.Current.CancellationToken)).Trim();
        await File.WriteAllTextAsync(Path.Combine(closure.Core.KeyFolder, Strict + ".nix.policy"), $"writers = trusted-signatures\ntrusted-public-keys = {trusted}\n", TestContext.Current.CancellationToken);
        string before = await ObjectsAsync();

        // Signed by nobody, and by somebody else.
        StorePathName path = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "0", "--argstr", "seed", "strict");
        await RefusedAsync("signature", "copy", "--to", url, closure.FullPath(path));
        await RefusedAsync("signature", "copy", "--to", $"{url}&secret-key={keys}/stranger", closure.FullPath(path));

        // Another content than the one that was registered, and signed, for the path.
        StorePathName user = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "1", "--argstr", "seed", "damaged");
        StorePathName damaged = closure.Nix.StoreDirectory.ParsePath(Assert.Single(await closure.Nix.LinesAsync("nix-store", "-q", "--references", closure.FullPath(user))));
        (await closure.RunAsync("nix", "store", "sign", "-k", keys + "/trusted", closure.FullPath(damaged))).Succeeded();
        (await closure.RunAsync("sh", "-ec", "chmod -R u+w \"$0\"; find \"$0\" -type f | head -n 1 | while read -r file; do echo damage >> \"$file\"; done", closure.Nix.DiskPath(damaged))).Succeeded();
        await RefusedAsync("NarHashMismatch", "copy", "--to", url, closure.FullPath(damaged));

        // A store elsewhere.
        using var elsewhere = new NixSandbox();
        StorePathName foreign = await elsewhere.BuildAsync("synth.nix", "--arg", "n", "0", "--argstr", "seed", "foreign");
        ProgramRun wrong = await ProgramRun.RunAsync(
            "nix",
            ["copy", "--to", url, elsewhere.StoreDirectory.FullPath(foreign)],
            new Dictionary<string, string>(elsewhere.Environment) { ["NIX_CONFIG"] = elsewhere.Environment["NIX_CONFIG"] + "\nexperimental-features = nix-command" },
            TestContext.Current.CancellationToken);
        Assert.NotEqual(0, wrong.ExitCode);
        Assert.Contains(closure.Nix.StoreDirectory.Value, wrong.Errors, StringComparison.Ordinal);

        Assert.Equal(before, await ObjectsAsync());
        (await closure.RunAsync("nix", "copy", "--to", $"{url}&secret-key={keys}/trusted", closure.FullPath(path))).Succeeded();
        Assert.NotEqual(before, await ObjectsAsync());

        async Task RefusedAsync(string why, params string[] arguments)
        {
            ProgramRun run = await closure.RunAsync("nix", arguments);
            Assert.NotEqual(0, run.ExitCode);
            Assert.Contains(why, run.Errors, StringComparison.OrdinalIgnoreCase);
        }

        // Revision, paths, objects and open transactions.
        async Task<string> ObjectsAsync()
        {
            ProgramRun shown = await closure.Core.CliAsync(["repo", "show", Strict, "--json"], null, TestContext.Current.CancellationToken);
            ProgramRun status = await closure.Core.CliAsync(["status", "--json"], null, TestContext.Current.CancellationToken);
            System.Text.Json.JsonElement open = status.Json.GetProperty("repositories").EnumerateArray().Single(r => r.GetProperty("repository").GetString() == Strict);
            int files = Directory.EnumerateFiles(Path.Combine(closure.Core.RepositoryFolder(Strict), "data"), "*", SearchOption.AllDirectories).Count(f => !f.Contains("/txn/", StringComparison.Ordinal));
            return $"{shown.Json.GetProperty("revision")} {shown.Json.GetProperty("paths")} {shown.Json.GetProperty("objects")} {open.GetProperty("openTransactions")} {files}";
        }
    }

    // Every path with its registered hash, one a line, as sqlite has it.
    private async Task<string> HashesAsync(string store, string path)
    {
        string[] where = store == "daemonless" ? [] : ["--store", store];
        string text = (await closure.RunAsync("nix", ["path-info", "-r", "--json", .. where, path])).Succeeded().Output;
        using var document = System.Text.Json.JsonDocument.Parse(text);
        return string.Join('\n', document.RootElement.EnumerateArray().Select(p => $"{p.GetProperty("path").GetString()} {p.GetProperty("narHash").GetString()}").Order(StringComparer.Ordinal));
    }
}
