using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Node.Gateway;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>txn</c>: transactions of builders.</summary>
public sealed class TransactionPalette(IPublishingCore core, IOperations operations, LiveValues live) : IPaletteSource
{
    private const int LinesUsual = 20;

    public Palette Palette => new("txn", "Transactions of builders",
    [
        new("list", "The newest transactions, newest first", ListAsync, live.Repository(), LiveValues.Count($"Lines (default {LinesUsual}, at most 1000)"),
            new CommandArgument("status", "Only those that stand so", "-s", "--status") { Suggested = [.. Enum.GetNames<TransactionStatus>().Select(n => n.ToLowerInvariant())] }),
        new("show", "A transaction and what became of it", ShowAsync, live.Repository(), live.Transaction()),
        new("queue", "What waits for a commit, oldest first", QueueAsync, live.Repository()),
        new("abort", "Give up a transaction that is not sealed yet", AbortAsync, live.Repository(), live.Transaction()) { Scope = AdminScope.Operate, Destructive = true },
    ]);

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        int count = (int)Math.Clamp(arguments.Number("count", LinesUsual, 1), 1, 1_000);
        string? status = arguments.Text("status");
        IReadOnlyList<TransactionRow> rows =
            [.. (await operations.TransactionsAsync(arguments.Repository(), count, ct)).Where(r => status is null || NameOf(r.Status) == status).Take(count)];
        foreach (TransactionRow r in rows)
        {
            await output.LineAsync(
                $"{r.Transaction.Id} | {NameOf(r.Status)} | {(r.Outcome is { } o ? $"revision {o.Revision}" : "")} | {r.Transaction.Paths} paths | {r.Transaction.Builder} | {Shown.Time(r.Transaction.Id.CreatedAt)}{Reason(r.Outcome)}",
                Json(r));
        }

        await output.NoteAsync($"Count: {rows.Count} transactions");
        return true;
    }

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        TransactionId id = Requests.Transaction(arguments.Required("transaction"));
        TransactionView view = await core.GetTransactionAsync(arguments.Repository(), id, ct);
        var lines = new List<string>
        {
            $"transaction        {id}",
            $"begun              {Shown.Time(id.CreatedAt)} by its builder's clock",
            $"status             {NameOf(view.Status)}{(view.Unchanged ? ", nothing of it was new" : "")}",
        };
        if (view.Status is TransactionStatus.Committed or TransactionStatus.Rejected)
        {
            lines.Add($"revision           {view.Revision}, root {view.RootHash}");
            lines.Add($"paths              {view.PathsNew} new, {view.PathsPresent} present, {view.ContentKept.Count} kept with their first content");
            lines.Add($"stored             {view.BytesStored} bytes");
        }

        if (view.Reason is { } reason)
            lines.Add($"reason             {reason.Message} ({reason.Code}, {reason.What})");
        await output.LineAsync(string.Join('\n', lines), new JsonObject
        {
            ["transaction"] = id.ToString(),
            ["status"] = NameOf(view.Status),
            ["unchanged"] = view.Unchanged,
            ["revision"] = view.Revision,
            ["rootHash"] = view.RootHash,
            ["pathsNew"] = view.PathsNew,
            ["pathsPresent"] = view.PathsPresent,
            ["contentKept"] = Shown.Array(view.ContentKept),
            ["bytesStored"] = view.BytesStored,
            ["reason"] = view.Reason is { } why ? new JsonObject { ["code"] = why.Code, ["message"] = why.Message, ["what"] = why.What } : null,
        });
        return true;
    }

    private async Task<bool> QueueAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<QueueRow> rows = await operations.QueueAsync(arguments.Repository(), ct);
        foreach (QueueRow r in rows)
        {
            await output.LineAsync(
                $"{r.Transaction.Id} | {r.State} | {r.Transaction.Paths} paths | {r.Transaction.Builder} | waits {Shown.Span(DateTimeOffset.UtcNow - r.ArrivedAt)} | {r.Tries} tries",
                new JsonObject
                {
                    ["transaction"] = r.Transaction.Id.ToString(),
                    ["state"] = r.State,
                    ["paths"] = r.Transaction.Paths,
                    ["builder"] = r.Transaction.Builder,
                    ["arrivedAt"] = Shown.Time(r.ArrivedAt),
                    ["tries"] = r.Tries,
                });
        }

        RepositoryView view = await core.GetRepositoryAsync(arguments.Repository(), ct);
        await output.NoteAsync($"Count: {view.Queued} waiting, {view.InFlight} in the running commit");
        return true;
    }

    private async Task<bool> AbortAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        TransactionId id = Requests.Transaction(arguments.Required("transaction"));
        await core.AbortAsync(arguments.Repository(), id, ct);
        await output.LineAsync($"{id} is given up", new JsonObject { ["transaction"] = id.ToString(), ["status"] = "aborted" });
        return true;
    }

    private static JsonObject Json(TransactionRow r) => new()
    {
        ["transaction"] = r.Transaction.Id.ToString(),
        ["status"] = NameOf(r.Status),
        ["revision"] = r.Outcome?.Revision,
        ["paths"] = r.Transaction.Paths,
        ["builder"] = r.Transaction.Builder,
        ["createdAt"] = Shown.Time(r.Transaction.Id.CreatedAt),
        ["reason"] = r.Outcome?.Reason?.Code,
    };

    private static string Reason(TransactionOutcome? outcome) => outcome?.Reason is { } reason ? $" | {reason.Code}" : "";

    private static string NameOf(TransactionStatus status) => status.ToString().ToLowerInvariant();
}
