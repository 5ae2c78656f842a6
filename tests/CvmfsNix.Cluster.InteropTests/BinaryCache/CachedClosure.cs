using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.BinaryCache;

/// <summary>A node, a stratum1 of it, and a Nix store whose paths real Nix pushes to the one and fetches from the other.</summary>
public sealed class CachedClosure : IAsyncLifetime
{
    public const string Repository = "cache.example.org";

    private int _clients;

    internal EmbeddedNode Core { get; private set; } = null!;

    internal EmbeddedNode Mirror { get; private set; } = null!;

    internal NixSandbox Nix { get; private set; } = null!;

    /// <summary>The repository's Nix key.</summary>
    internal string PublicKey { get; private set; } = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        if (NixSandbox.Missing is not null)
            return;
        Nix = new NixSandbox();
        Core = await EmbeddedNode.StartAsync(Token);
        ProgramRun created = await Core.CliAsync(["repo", "create", Repository, "--store-directory", Nix.StoreDirectory.Value, "--json"], null, Token);
        PublicKey = created.Json.GetProperty("nixPublicKey").GetString()!;
        Mirror = await EmbeddedNode.StartMirrorAsync(Core, Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Mirror is not null)
            await Mirror.DisposeAsync();
        if (Core is not null)
            await Core.DisposeAsync();
        Nix?.Dispose();
    }

    /// <summary>Runs Nix as one more client, which remembers nothing of the others' caches.</summary>
    internal Task<ProgramRun> RunAsync(string program, params string[] arguments)
    {
        var environment = new Dictionary<string, string>(Nix.Environment)
        {
            ["XDG_CACHE_HOME"] = Folder("cache"),
            ["NIX_CONFIG"] = Nix.Environment["NIX_CONFIG"] + "\nexperimental-features = nix-command",
        };
        return ProgramRun.RunAsync(program, arguments, environment, Token);
    }

    /// <summary>A fresh folder that goes with the store.</summary>
    internal string Folder(string name) =>
        Directory.CreateDirectory($"{Path.GetDirectoryName(Nix.StoreDirectory.Value)}/{name}-{Interlocked.Increment(ref _clients)}").FullName;

    internal string FullPath(StorePathName path) => Nix.StoreDirectory.FullPath(path);

    /// <summary>Waits until a cache shows a path.</summary>
    internal static async Task ShownAsync(string cacheUrl, StorePathName path)
    {
        using var client = new HttpClient();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (!(await client.GetAsync(new Uri($"{cacheUrl}/{path.Value[..StorePathName.HashLength]}.narinfo"), patience.Token)).IsSuccessStatusCode)
            await Task.Delay(20, patience.Token);
    }
}
