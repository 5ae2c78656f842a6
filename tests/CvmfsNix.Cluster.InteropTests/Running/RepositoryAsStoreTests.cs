using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.InteropTests.Publishing;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Running;

/// <summary>
/// The tree of a repository with a database of Nix, as a stratum1 serves it, is a store for real Nix: it lists what was published and not what was withdrawn, knows references, derivers and outputs, and finds every
/// archive hash right.
/// </summary>
public sealed class RepositoryAsStoreTests(ProgramClosure closure) : IClassFixture<ProgramClosure>
{
    private const string Name = "store.example.org";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nix_uses_the_tree_of_a_repository_as_its_store()
    {
        Assert.SkipUnless(closure.Missing is null, closure.Missing ?? "");
        NixSandbox nix = closure.Nix;
        string app = closure.App[..^"/bin/app".Length];
        string derivation = Assert.Single(await nix.LinesAsync("nix-store", "-qd", app));
        string extra = Directory.CreateDirectory(closure.Folder + "/extra").FullName + "/withdrawn";
        await File.WriteAllTextAsync(extra, "soon to be gone", Token);
        string withdrawn = Assert.Single(await nix.LinesAsync("nix-store", "--add", extra));
        await using EmbeddedNode node = await EmbeddedNode.StartAsync(Token);
        await using EmbeddedNode mirror = await EmbeddedNode.StartMirrorAsync(node, Token);
        PublishedRepository repository = await PublishedRepository.CreateAsync(node, nix, Name, "--nix-db");
        await repository.PublishAsync(withdrawn, app, "--store-root", closure.Folder);
        await repository.PublishAsync(derivation, "--store-root", closure.Folder);
        ProgramRun gone = await node.CliAsync(["withdraw", withdrawn, "--repo", Name, "--reason", "a test", "--json"], null, Token);
        long revision = gone.Json.GetProperty("revision").GetInt64();
        (await node.CliAsync(["wait", "--repo", Name, "--revision", $"{revision}", "--for", "all", "--timeout", "60"], null, Token)).Succeeded();
        await repository.VerifyAsync();

        string tree = closure.Folder + "/tree", key = closure.Folder + "/tree.pub";
        await File.WriteAllTextAsync(key, (await node.CliAsync(["key", "show", Name], null, Token)).Succeeded().Output, Token);
        (await node.CliAsync(["get", "/", tree, "--url", mirror.RepositoryUrl(Name).ToString(), "--pubkey", key], null, Token)).Succeeded();
        (await ProgramRun.RunAsync("chmod", ["-R", "a+rX", tree], cancellationToken: Token)).Succeeded();
        ProgramRun run = await closure.AsUserWithoutNixAsync("run", "--repo-dir", tree, "--store", "--", "sh", "-ec", $"""
            nix="nix --extra-experimental-features nix-command"
            nix-store -qR {app}
            echo references; nix-store -q --references {app}
            echo deriver; nix-store -q --deriver {app}
            echo outputs; nix-store -q --outputs {derivation}
            echo all; $nix path-info --all
            echo sizes; $nix path-info -rsS {app}
            $nix store verify --all --no-trust
            nix-store --verify --check-contents
            nix-store --verify-path {app}
            {closure.App}
            """);
        Assert.Equal(0, run.ExitCode);
        Assert.DoesNotContain("error", run.Errors, StringComparison.Ordinal);

        string[] of(string name) => [.. run.Output.Split('\n').SkipWhile(l => l != name).Skip(1).TakeWhile(l => l.StartsWith("/nix/store/", StringComparison.Ordinal))];
        Assert.Equal(closure.Closure.Select(static one => $"/nix/store/{one}"), run.Output.Split('\n').TakeWhile(l => l != "references"));
        Assert.Equal(await nix.LinesAsync("nix-store", "-q", "--references", app), of("references"));
        Assert.Equal([derivation], of("deriver"));
        Assert.Equal([app], of("outputs"));
        string[] all = of("all");
        Assert.DoesNotContain(withdrawn, all);
        Assert.Equal((await nix.LinesAsync("nix-store", "-qR", app, derivation)).Order(StringComparer.Ordinal), all.Order(StringComparer.Ordinal));
        Assert.Contains("greetings from the store", run.Output, StringComparison.Ordinal);
    }
}
