using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Node.Logs;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>log</c>: what the node says.</summary>
public sealed class LogPalette(LogMemory memory, LogLevels levels) : IPaletteSource
{
    private const int LinesUsual = 20;

    public Palette Palette => new("log", "Log of the node that is asked",
    [
        new("peek", "The last lines", PeekAsync, LiveValues.Count($"Lines (default {LinesUsual})")),
        new("tail", "The last lines, and new ones as they come", TailAsync, LiveValues.Count($"Lines to begin with (default {LinesUsual})")) { Endless = true },
        new("level", "Show the least level that is logged, or set it until the node is started again", LevelAsync,
            new CommandArgument("level", "The level", "-l", "--level") { Suggested = [.. LogLevels.Names] }) { Scope = AdminScope.Operate },
    ]);

    private async Task<bool> PeekAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (LogLine line in memory.Last((int)Math.Min(int.MaxValue, arguments.Number("count", LinesUsual))))
            await WriteAsync(output, line);
        return true;
    }

    private async Task<bool> TailAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        await foreach (LogLine line in memory.FollowAsync((int)Math.Min(int.MaxValue, arguments.Number("count", LinesUsual)), ct))
            await WriteAsync(output, line);
        return true;
    }

    private async Task<bool> LevelAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        if (arguments.Text("level") is { } name)
        {
            if (!LogLevels.TryParse(name, out LogLevel level))
                throw CommandArguments.Wrong("level", $"{name} is no level: {string.Join(", ", LogLevels.Names)}.");
            levels.Least = level;
        }

        string now = LogLevels.NameOf(levels.Least);
        await output.LineAsync(now, new JsonObject { ["level"] = now });
        return true;
    }

    private static Task WriteAsync(ICommandOutput output, LogLine line)
    {
        string at = line.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        string level = LogLevels.NameOf(line.Level);
        return output.LineAsync($"{at} {level} {line.Category}: {line.Text}", new JsonObject { ["at"] = at, ["level"] = level, ["category"] = line.Category, ["message"] = line.Text });
    }
}
