using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>revision</c>: the history of a repository.</summary>
public sealed class RevisionPalette(IRepositoryHistory history, LiveValues live) : IPaletteSource
{
    private const int LinesUsual = 10;

    public Palette Palette => new("revision", "History of a repository",
    [
        new("list", "The newest revisions, newest first", ListAsync, live.Repository(), LiveValues.Count($"Lines (default {LinesUsual})")),
        new("show", "A revision in full", ShowAsync, live.Repository(), live.Revision("revision", "The revision", true, "-n", "--revision")),
        new("diff", "Paths that came and went between two revisions", DiffAsync, live.Repository(),
            live.Revision("from", "The older revision", true, "-a", "--from"), live.Revision("to", "The newer revision (default: the newest)", false, "-b", "--to")),
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        int count = (int)Math.Clamp(arguments.Number("count", LinesUsual, 1), 1, 10_000);
        foreach (PastRevision past in await history.RevisionsAsync(arguments.Repository(), count, ct))
        {
            RevisionHead head = past.Revision.Head;
            await output.LineAsync(
                $"{head.Revision} | {Shown.Time(head.PublishedAt)} | {head.RootHash} | +{past.Outcomes.Sum(o => o.PathsNew)} paths, {head.Paths} in all | {past.Outcomes.Count(o => o.Status == TransactionStatus.Committed)} transactions",
                Json(past));
        }

        return true;
    }

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        PastRevision past = await FindAsync(arguments.Repository(), (ulong)arguments.Number("revision", 0, 1), ct);
        RevisionHead head = past.Revision.Head;
        await output.LineAsync(
            string.Join(
                '\n',
                (string[])[
                    $"revision           {head.Revision} of {Shown.Time(head.PublishedAt)}",
                    $"journal event      {past.Event.Sequence} of {Shown.Time(past.Event.Event.At)}",
                    $"root catalog       {head.RootHash}, {head.RootSize} bytes",
                    $"store catalog      {head.StoreCatalog}, {head.StoreCatalogSize} bytes",
                    $"tag database       {head.History}",
                    $"paths              {head.Paths}, {past.Outcomes.Sum(o => o.PathsNew)} of them new, {past.Revision.PathsRemoved} removed",
                    .. head.NamedTags.Select(t => $"tag                {t.Name} of revision {t.Revision}"),
                    .. past.Outcomes.Select(o => $"transaction        {o.Id} {o.Status.ToString().ToLowerInvariant()}, {o.PathsNew} paths new"),
                ]),
            Json(past));
        return true;
    }

    private async Task<bool> DiffAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string repository = arguments.Repository();
        ulong from = (ulong)arguments.Number("from", 0, 1);
        ulong to = arguments.Has("to")
            ? (ulong)arguments.Number("to", 0, 1)
            : (await history.RevisionsAsync(repository, 1, ct)).Select(r => r.Revision.Head.Revision).FirstOrDefault();
        await FindAsync(repository, from, ct);
        await FindAsync(repository, to, ct);
        if (from > to)
            throw CommandArguments.Wrong("from", $"revision {from} is newer than {to}; give the older one first.");
        long came = 0, went = 0;
        await foreach (PathChange change in history.ChangesAsync(repository, from, to, ct))
        {
            if (change.Came)
                came++;
            else
                went++;
            await output.LineAsync(
                $"{(change.Came ? '+' : '-')} {change.Path.Path.Value} | revision {change.Revision} | {change.Path.NarSize} bytes",
                new JsonObject { ["path"] = change.Path.Path.Value, ["change"] = change.Came ? "added" : "removed", ["revision"] = change.Revision, ["narSize"] = change.Path.NarSize });
        }

        await output.NoteAsync($"Count: {came} paths came and {went} went after revision {from}, up to {to}");
        return true;
    }

    private async Task<PastRevision> FindAsync(string repository, ulong revision, CancellationToken ct) =>
        await history.RevisionAsync(repository, revision, ct)
        ?? throw new PublishingException(PublishingCodes.UnknownRevision, $"{repository} has no revision {revision} on this node.", repository, "revision list shows the newest ones.");

    private static JsonObject Json(PastRevision past) => new()
    {
        ["revision"] = past.Revision.Head.Revision,
        ["publishedAt"] = Shown.Time(past.Revision.Head.PublishedAt),
        ["rootHash"] = past.Revision.Head.RootHash.ToString(),
        ["rootSize"] = past.Revision.Head.RootSize,
        ["sequence"] = past.Event.Sequence,
        ["paths"] = past.Revision.Head.Paths,
        ["pathsNew"] = past.Outcomes.Sum(o => o.PathsNew),
        ["pathsRemoved"] = past.Revision.PathsRemoved,
        ["tags"] = Shown.Array(past.Revision.Head.NamedTags.Select(t => t.Name)),
        ["transactions"] = new JsonArray([.. past.Outcomes.Select(o => new JsonObject
        {
            ["transaction"] = o.Id.ToString(), ["status"] = o.Status.ToString().ToLowerInvariant(), ["pathsNew"] = o.PathsNew,
        })]),
    };
}
