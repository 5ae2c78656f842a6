using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Hosting;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>store</c>: where objects lie.</summary>
public sealed class StorePalette(IPublishingCore core, IStoreAdministration stores, DataFolder folder, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("store", "Stores of objects",
    [
        new("stat", "The stores of the cluster, and what this node's takes", StatAsync),
        new("scrub", "Read everything this node has of a repository again and compare it with its names", ScrubAsync, live.Repository(),
            new CommandArgument("rate", "Bytes a second (default: no bound)", "--rate") { Suggested = ["33554432", "134217728"] },
            new CommandArgument("repair", "Replace what is damaged by the copy of another store", "--repair") { Flag = true }) { Scope = AdminScope.Operate },
    ]);

    private async Task<bool> StatAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        IReadOnlyList<StoreView> all = stores.Stores;
        foreach (StoreView s in all)
        {
            await output.LineAsync(
                $"store {s.Id} | {s.Address} | {s.Site} | {s.Url}{(s.Own ? " | this node" : "")}",
                new JsonObject { ["store"] = s.Id, ["address"] = s.Address, ["site"] = s.Site, ["url"] = s.Url, ["own"] = s.Own });
        }

        foreach (RepositoryView r in await core.ListRepositoriesAsync(ct))
        {
            await output.LineAsync(
                $"{r.Repository} | {r.Objects} objects | {r.StoredBytes} bytes | {r.Paths} paths",
                new JsonObject { ["repository"] = r.Repository, ["objects"] = r.Objects, ["storedBytes"] = r.StoredBytes, ["paths"] = r.Paths });
        }

        var drive = new DriveInfo(folder.Path);
        await output.LineAsync($"disk | {drive.AvailableFreeSpace} bytes free of {drive.TotalSize}", new JsonObject { ["freeBytes"] = drive.AvailableFreeSpace, ["sizeBytes"] = drive.TotalSize });
        await output.NoteAsync($"Count: {all.Count} stores, {stores.CopiesRequired} copies required");
        return all.Count >= stores.CopiesRequired;
    }

    private async Task<bool> ScrubAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        bool repair = arguments.Has("repair");
        Task telling = Task.CompletedTask;
        StoreScrubReport report = await stores.ScrubAsync(
            arguments.Repository(), repair, arguments.Number("rate", 0), p => telling = TellAsync(telling, $"… {p.Items} read, {Shown.Bytes(p.Bytes)}, {p.Damaged.Count} damaged"), ct);
        await telling;
        foreach (string name in report.Damaged)
        {
            bool repaired = report.Repaired.Contains(name);
            await output.LineAsync($"damaged {name}{(repaired ? ", replaced" : "")}", new JsonObject { ["damaged"] = name, ["repaired"] = repaired });
        }

        await output.LineAsync(
            $"{report.Items} files, {report.Bytes} bytes: {report.Damaged.Count} damaged, {report.Repaired.Count} replaced",
            new JsonObject { ["items"] = report.Items, ["bytes"] = report.Bytes, ["damaged"] = report.Damaged.Count, ["repaired"] = report.Repaired.Count });
        return report.Damaged.Count == report.Repaired.Count;

        async Task TellAsync(Task before, string text)
        {
            await before;
            await output.NoteAsync(text);
        }
    }
}
