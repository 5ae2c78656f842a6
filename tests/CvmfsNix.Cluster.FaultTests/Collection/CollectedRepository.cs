using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Collection;

/// <summary>A repository that is published into, removed from and collected by the programs themselves.</summary>
/// <param name="fqrn">Its name.</param>
/// <param name="scratch">For the store that is published from.</param>
/// <param name="builder">Tells the paths of several builders apart.</param>
internal sealed class CollectedRepository(string fqrn, Scratch scratch, string builder = "")
{
    private readonly SyntheticStore _store = new(scratch[$"store{builder}"]);
    private string _publicKey = "";
    private int _made;

    /// <summary>Pinned: these and what they need stay.</summary>
    public List<StorePathName> Pinned { get; } = [];

    /// <summary>Everything that was ever made here.</summary>
    public IReadOnlyList<PathInfo> Made => _store.Paths;

    /// <summary>What was pinned, with all that it needs.</summary>
    public IEnumerable<StorePathName> Kept => _store.Closure(Pinned).Select(p => p.Path);

    /// <summary>Of the repository, PEM.</summary>
    public string PublicKey { get; private set; } = "";

    /// <summary>File that holds it.</summary>
    public string PublicKeyFile => _publicKey;

    /// <summary>Another builder of the same repository.</summary>
    public CollectedRepository With(string other) => new(fqrn, scratch, other) { _publicKey = _publicKey, PublicKey = PublicKey };

    public async Task CreateAsync(NodeAddresses server, CancellationToken cancellationToken)
    {
        CreatedRepository created = await CreatedRepository.CreateAsync(server, fqrn, cancellationToken);
        PublicKey = created.PublicKey;
        _publicKey = scratch[$"{fqrn}.pub"];
        await File.WriteAllTextAsync(_publicKey, created.PublicKey, cancellationToken);
        await AskAsync(server, ["repo", "retention", "set", fqrn, "--profile-generations", "1", "--keep-recent", "0s"], cancellationToken);
    }

    /// <summary>Publishes fresh paths, partly on top of earlier ones that may have been removed meanwhile; returns whether it was acknowledged.</summary>
    public async Task<bool> PublishAsync(NodeAddresses server, Random random, bool pin, CancellationToken cancellationToken, params string[] more)
    {
        List<StorePathName> references = [];
        if (_store.Paths.Count > 0 && random.Next(2) == 0)
            references.Add(_store.Paths[random.Next(_store.Paths.Count)].Path);
        // Contents come again and again, so that what is about to be deleted is called for.
        PathInfo path = await _store.AddAsync($"gc {builder}{_made++}", $"content {random.Next(20)}", references, files: 1 + random.Next(12), fileBytesMax: 2000, cancellationToken);
        _store.Register();
        string[] keep = pin ? ["--keep", "30d"] : [];
        CliResult result = await CliProcess.RunAsync(
            server, ["publish", "--repo", fqrn, SyntheticStore.FullPath(path.Path), .. keep, .. more, .. _store.Arguments, "--timeout", "60"], cancellationToken);
        if (result.ExitCode == 0 && pin)
            Pinned.Add(path.Path);
        return result.ExitCode == 0;
    }

    /// <summary>Asks for what the rules do not keep to be removed, and waits until the leader has done it.</summary>
    public async Task RemoveAsync(NodeAddresses server, CancellationToken cancellationToken)
    {
        await CliProcess.RunAsync(server, ["gc", "--repo", fqrn], cancellationToken);
        await Deadline.UntilAsync(async () => !(await StatusAsync(server, cancellationToken)).GetProperty("removing").GetBoolean(), "the removal has ended", cancellationToken);
    }

    public async Task<JsonElement> StatusAsync(NodeAddresses server, CancellationToken cancellationToken) =>
        (await AskAsync(server, ["gc", "status", "--repo", fqrn], cancellationToken)).EnumerateArray().Single();

    /// <summary>What is served is whole: every object is there with the bytes of its name, every rule of the format is kept, and what was pinned is there.</summary>
    public async Task VerifyAsync(NodeAddresses server, CancellationToken cancellationToken)
    {
        CliResult verified = await CliProcess.RunAsync(null, ["verify", $"{server.Http}/cvmfs/{fqrn}", "--pubkey", _publicKey, "--deep"], cancellationToken);
        Assert.True(verified.ExitCode == 0, verified.Output + verified.Errors);
        JsonElement plan = await AskAsync(server, ["gc", "--dry-run", "--repo", fqrn], cancellationToken);
        HashSet<string> there = [.. plan.GetProperty("paths").EnumerateArray().Select(p => p.GetProperty("path").GetString()!)];
        foreach (PathInfo needed in _store.Closure(Pinned))
            Assert.Contains(needed.Path.Value, there);
    }

    /// <summary>Files of objects in the node's store.</summary>
    public static IReadOnlyList<string> Objects(string data, string fqrn) =>
        [.. Directory.EnumerateFiles(Path.Combine(data, "cvmfs", fqrn, "data"), "*", SearchOption.AllDirectories).Where(f => !f.Contains("/txn/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public static async Task<JsonElement> AskAsync(NodeAddresses server, string[] arguments, CancellationToken cancellationToken)
    {
        CliResult result = await CliProcess.RunAsync(server, arguments, cancellationToken);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.ExitCode} {result.Output} {result.Errors}");
        return result.Lines[^1];
    }
}
