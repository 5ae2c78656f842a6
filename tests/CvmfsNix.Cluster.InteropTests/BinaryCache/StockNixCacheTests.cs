using System.Text;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.BinaryCache;

/// <summary>The Nix that is installed here pushes to a node and fetches from its stratum1, with signatures required.</summary>
public sealed class StockNixCacheTests(CachedClosure closure) : IClassFixture<CachedClosure>
{
    [Theory]
    [InlineData("none")]
    [InlineData("xz")]
    public async Task A_closure_that_was_pushed_comes_back_from_a_stratum1(string compression)
    {
        Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "200", "--argstr", "seed", compression);
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
        Assert.Equal(201, registered.Split('\n').Length);
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
        StorePathName root = await closure.Nix.BuildAsync("synth.nix", "--arg", "n", "40", "--argstr", "seed", "eight");
        string url = closure.Core.CacheUrl(CachedClosure.Repository) + "?compression=none";

        ProgramRun[] runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => closure.RunAsync("nix", "copy", "--to", url, closure.FullPath(root))));

        Assert.All(runs, run => run.Succeeded());
        string target = $"local?root={closure.Folder("eight")}";
        (await closure.RunAsync("nix", "copy", "--from", closure.Core.CacheUrl(CachedClosure.Repository), "--to", target, closure.FullPath(root), "--option", "trusted-public-keys", closure.PublicKey)).Succeeded();
        Assert.Equal(await HashesAsync("daemonless", closure.FullPath(root)), await HashesAsync(target, closure.FullPath(root)));
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

    // Every path with its registered hash, one a line, as sqlite has it.
    private async Task<string> HashesAsync(string store, string path)
    {
        string[] where = store == "daemonless" ? [] : ["--store", store];
        string text = (await closure.RunAsync("nix", ["path-info", "-r", "--json", .. where, path])).Succeeded().Output;
        using var document = System.Text.Json.JsonDocument.Parse(text);
        return string.Join('\n', document.RootElement.EnumerateArray().Select(p => $"{p.GetProperty("path").GetString()} {p.GetProperty("narHash").GetString()}").Order(StringComparer.Ordinal));
    }
}
