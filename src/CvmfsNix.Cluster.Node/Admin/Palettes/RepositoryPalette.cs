using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>repo</c>: the repositories.</summary>
public sealed class RepositoryPalette(IPublishingCore core, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("repo", "Repositories",
    [
        new("list", "All repositories, one a line", ListAsync),
        new("show", "A repository in full", ShowAsync, live.Repository()),
        new("create", "Make a repository with fresh keys, or those in the key folder", CreateAsync,
            live.Repository(),
            new CommandArgument("hash", "Names of objects (default sha1)", "--hash") { Suggested = ["sha1", "shake128"] }) { Scope = AdminScope.Admin },
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<RepositoryView> all = await core.ListRepositoriesAsync(ct);
        foreach (RepositoryView r in all)
            await output.LineAsync($"{r.Repository} | revision {r.Revision} | {r.Paths} paths | {Shown.Bytes(r.StoredBytes)} | queued {r.Queued} | {Health(r)}", Json(r));
        await output.NoteAsync($"Count: {all.Count} repositories");
        return true;
    }

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        RepositoryView r = await core.GetRepositoryAsync(arguments.Repository(), ct);
        await output.LineAsync(
            string.Join(
                '\n',
                $"repository         {r.Repository}",
                $"revision           {r.Revision} of {Shown.Time(r.PublishedAt)}",
                $"root hash          {r.RootHash}",
                $"paths              {r.Paths}",
                $"objects            {r.Objects}, {r.StoredBytes} bytes ({Shown.Bytes(r.StoredBytes)}) on this node",
                $"store directory    {r.StoreDirectory}",
                $"hash algorithm     {r.HashAlgorithm}",
                $"whitelist          good until {Shown.Time(r.WhitelistExpiresAt)}, {Shown.Span(r.WhitelistExpiresAt - DateTimeOffset.UtcNow)} from now",
                $"queue              {r.Queued} waiting, {r.InFlight} in the running commit, {r.OpenTransactions} open on this node",
                $"state              {Health(r)}"),
            Json(r));
        return true;
    }

    private async Task<bool> CreateAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        var algorithm = arguments.Text("hash") switch
        {
            null or "sha1" => HashAlgorithmId.Sha1,
            "shake128" => HashAlgorithmId.Shake128,
            var other => throw CommandArguments.Wrong("hash", $"{other} is no hash algorithm for object names: sha1 or shake128."),
        };
        RepositoryView r = await core.CreateRepositoryAsync(new CreateRepository(arguments.Repository(), algorithm), ct);
        await output.LineAsync($"{r.Repository} is there, revision {r.Revision}", Json(r));
        return true;
    }

    private static string Health(RepositoryView r) => r.Problem is { Length: > 0 } problem ? $"problem: {problem}" : r.Warning is { } warning ? $"warning: {warning}" : "ok";

    private static JsonObject Json(RepositoryView r) => new()
    {
        ["repository"] = r.Repository,
        ["revision"] = r.Revision,
        ["rootHash"] = r.RootHash,
        ["publishedAt"] = Shown.Time(r.PublishedAt),
        ["paths"] = r.Paths,
        ["objects"] = r.Objects,
        ["storedBytes"] = r.StoredBytes,
        ["whitelistExpiresAt"] = Shown.Time(r.WhitelistExpiresAt),
        ["storeDirectory"] = r.StoreDirectory,
        ["hashAlgorithm"] = r.HashAlgorithm,
        ["queued"] = r.Queued,
        ["inFlight"] = r.InFlight,
        ["openTransactions"] = r.OpenTransactions,
        ["problem"] = r.Problem,
        ["warning"] = r.Warning,
    };
}
