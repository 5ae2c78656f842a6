using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Logs;

/// <summary>Which lines are logged. Can be changed while the node runs. Thread-safe.</summary>
public sealed class LogLevels(LogLevel least)
{
    private const string HostCategory = "Microsoft.Extensions.Hosting.Internal.Host";
    private const string RequestsCategory = "Microsoft.AspNetCore.Hosting.Diagnostics";
    private int _least = (int)least;

    /// <summary>Names of levels, the most talkative first.</summary>
    public static IReadOnlyList<string> Names { get; } = ["trace", "debug", "information", "warning", "error"];

    /// <summary>The least level that is logged.</summary>
    public LogLevel Least
    {
        get => (LogLevel)Volatile.Read(ref _least);
        set => Volatile.Write(ref _least, (int)value);
    }

    public static bool TryParse([NotNullWhen(true)] string? name, out LogLevel level)
    {
        int at = name is null ? -1 : Names.ToList().IndexOf(name.ToLowerInvariant());
        level = at < 0 ? LogLevel.None : (LogLevel)at;
        return at >= 0;
    }

    public static string NameOf(LogLevel level) => level >= LogLevel.Critical ? "critical" : Names[(int)level];

    /// <summary>Whether a line is logged.</summary>
    public bool Allows(string? category, LogLevel level)
    {
        LogLevel least = Least;
        if (level < least)
            return false;
        if (least <= LogLevel.Debug || category is null)
            return true;
        // What ends a start is said once, by the program itself; a service that fails later is still reported, as critical.
        if (category == HostCategory)
            return level >= LogLevel.Critical;
        // It tells every request, and nothing that is a warning; as long as it may say anything at all, it makes an activity and a scope for each.
        if (category == RequestsCategory)
            return false;
        // Their own Information tells what they do for every call.
        return level >= LogLevel.Warning || !(category.StartsWith("Microsoft", StringComparison.Ordinal) || category.StartsWith("Grpc", StringComparison.Ordinal));
    }
}
