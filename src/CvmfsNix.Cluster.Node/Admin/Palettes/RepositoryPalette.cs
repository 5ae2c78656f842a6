using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Model.Retention;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>repo</c>: the repositories.</summary>
public sealed class RepositoryPalette(IPublishingCore core, IRepositoryRetention retention, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("repo", "Repositories",
    [
        new("list", "All repositories, one a line", ListAsync),
        new("show", "A repository in full", ShowAsync, live.Repository()),
        new("create", "Make a repository with fresh keys, or those in the key folder", CreateAsync,
            live.Repository(),
            new CommandArgument("hash", "Names of objects (default sha1)", "--hash") { Suggested = ["sha1", "shake128"] },
            new CommandArgument("nix-db", "Keep a database of Nix in the tree", "--nix-db") { Flag = true }) { Scope = AdminScope.Admin },
        new("rollback", "Make what an earlier revision had the newest one", RollBackAsync, live.Repository(), live.Goal()) { Scope = AdminScope.Admin, Destructive = true },
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
        RepositoryView r = await core.CreateRepositoryAsync(new CreateRepository(arguments.Repository(), algorithm) { NixDatabase = arguments.Has("nix-db") }, ct);
        await output.LineAsync($"{r.Repository} is there, revision {r.Revision}", Json(r));
        return true;
    }

    private async Task<bool> RollBackAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string repository = arguments.Repository();
        RetentionProtocol.RolledBack done = await retention.RollBackAsync(repository, arguments.Required("to"), "an operator", ct);
        await output.LineAsync(
            $"{repository} has what revision {done.To} had, as revision {done.Revision}: {done.Returned} paths came back, {done.Removed} went{(done.LeftOutCount > 0 ? $", {done.LeftOutCount} stay away because they were withdrawn" : "")}",
            new JsonObject
            {
                ["repository"] = repository,
                ["to"] = done.To,
                ["revision"] = done.Revision,
                ["rootHash"] = done.RootHash,
                ["pathsReturned"] = done.Returned,
                ["pathsRemoved"] = done.Removed,
                ["pathsLeftOut"] = Shown.Array(done.LeftOut.Select(p => p.Value)),
                ["pathsLeftOutCount"] = done.LeftOutCount,
            });
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
