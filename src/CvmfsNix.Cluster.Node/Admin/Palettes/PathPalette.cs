using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>path</c>: store paths.</summary>
public sealed class PathPalette(IPublishingCore core, IRepositoryHistory history, IOperations operations, LiveValues live) : IPaletteSource
{
    private const int ReferrersMax = 20;
    private const int LedgerRows = 50;

    public Palette Palette => new("path", "Store paths",
    [
        new("show", "What is registered of a path", ShowAsync, live.Repository(), live.Path()),
        new("why", "Who published a path, when, in which revision, and what needs it", WhyAsync, live.Repository(), live.Path()),
    ]);

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        if (await FindAsync(arguments, output) is not { } found)
            return false;
        var info = found.Info;
        await output.LineAsync(
            string.Join(
                '\n',
                (string[])[
                    $"path               {info.Path.Value}",
                    $"revision           {found.Revision}",
                    $"nar                {info.NarHash}, {info.NarSize} bytes",
                    $"deriver            {info.Deriver?.Value ?? "unknown"}",
                    $"content address    {info.ContentAddress ?? "none"}",
                    $"references         {info.References.Count}",
                    .. info.References.Select(r => $"                   {r.Value}"),
                    .. info.Signatures.Select(s => $"signature          {s}"),
                ]),
            Json(found));
        return true;
    }

    private async Task<bool> WhyAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        if (await FindAsync(arguments, output) is not { } found)
            return false;
        string repository = arguments.Repository();
        JsonObject json = Json(found);
        var lines = new List<string> { found.Info.Path.Value };
        PastRevision? past = await history.RevisionAsync(repository, found.Revision, ct);
        string at = past is null ? "" : Shown.Time(past.Revision.Head.PublishedAt);
        lines.Add($"  came with revision {found.Revision}{(past is null ? "" : $", committed {at}")}");
        json["committedAt"] = past is null ? null : at;
        var transactions = new JsonArray();
        foreach (TransactionId id in past?.Outcomes.Where(o => o.PathsNew > 0).Select(o => o.Id) ?? [])
        {
            // The ledger remembers builders for as long as it remembers transactions.
            string? builder = (await operations.TransactionsAsync(repository, LedgerRows, ct)).FirstOrDefault(t => t.Transaction.Id == id)?.Transaction.Builder;
            lines.Add($"  {(past!.Outcomes.Count(o => o.PathsNew > 0) == 1 ? "published" : "published together")} by {builder ?? "a builder that is no longer remembered"}, transaction {id}");
            transactions.Add(new JsonObject { ["transaction"] = id.ToString(), ["builder"] = builder });
        }

        json["transactions"] = transactions;
        IReadOnlyList<StorePathName> referrers = history.Referrers(repository, found.Info.Path, ReferrersMax + 1);
        lines.Add(referrers.Count == 0 ? "  nothing needs it" : $"  needed by{(referrers.Count > ReferrersMax ? $" more than {ReferrersMax} paths, among them" : "")}");
        lines.AddRange(referrers.Take(ReferrersMax).Select(r => $"    {r.Value}"));
        json["referrers"] = Shown.Array(referrers.Take(ReferrersMax).Select(r => r.Value));
        await output.LineAsync(string.Join('\n', lines), json);
        return true;
    }

    private async Task<IndexedPath?> FindAsync(CommandArguments arguments, ICommandOutput output)
    {
        string repository = arguments.Repository();
        string text = arguments.Required("path").TrimEnd('/');
        string name = text[(text.LastIndexOf('/') + 1)..];
        IndexedPath? found = name.Length == StorePathName.HashLength
            ? core.Store(repository).Index.Paths.FindByHashPart(name)
            : StorePathName.TryParse(name, out StorePathName path)
                ? history.Find(repository, path)
                : throw CommandArguments.Wrong("path", $"{text} is no store path: a base name as 32 letters and digits, a hyphen and a name, with or without a directory.");
        if (found is null)
            await output.NoteAsync($"{name} is not in {repository}.");
        return found;
    }

    private static JsonObject Json(IndexedPath p) => new()
    {
        ["path"] = p.Info.Path.Value,
        ["revision"] = p.Revision,
        ["narHash"] = p.Info.NarHash.ToString(),
        ["narSize"] = p.Info.NarSize,
        ["deriver"] = p.Info.Deriver?.Value,
        ["contentAddress"] = p.Info.ContentAddress,
        ["references"] = Shown.Array(p.Info.References.Select(r => r.Value)),
        ["signatures"] = Shown.Array(p.Info.Signatures),
    };
}
