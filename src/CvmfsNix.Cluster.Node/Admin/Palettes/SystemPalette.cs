using System.Diagnostics;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Hosting;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>system</c>: the process that is asked.</summary>
public sealed class SystemPalette(IPublishingCore core) : IPaletteSource
{
    private static readonly DateTimeOffset Started = Process.GetCurrentProcess().StartTime;

    public Palette Palette => new("system", "The process that is asked",
    [
        new("uptime", "How long it has been running", UptimeAsync),
    ]);

    private async Task<bool> UptimeAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        TimeSpan up = DateTimeOffset.UtcNow - Started;
        await output.LineAsync(
            $"{core.Address} | pid {Environment.ProcessId} | version {NodeProgram.Version} | up {Shown.Span(up)} since {Shown.Time(Started)}{(core.IsReady ? "" : $" | not ready: {core.NotReadyReason}")}",
            new JsonObject
            {
                ["address"] = core.Address,
                ["pid"] = Environment.ProcessId,
                ["version"] = NodeProgram.Version,
                ["startedAt"] = Shown.Time(Started),
                ["uptimeSeconds"] = (long)up.TotalSeconds,
                ["ready"] = core.IsReady,
                ["notReadyReason"] = core.NotReadyReason,
            });
        return true;
    }
}
