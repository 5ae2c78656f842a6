using System.Diagnostics;
using System.Globalization;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>How busy the machine is; figures of a busy one are upper bounds.</summary>
internal static class MachineLoad
{
    private const double TicksPerSecond = 100;

    /// <summary>Load average of the last minute.</summary>
    public static string Now => File.ReadAllText("/proc/loadavg").Split(' ')[0];

    /// <summary>Processor seconds that processes have used so far, by name given; children that ended are counted with their parents.</summary>
    public static IReadOnlyDictionary<string, double> Seconds(IEnumerable<(string Name, int Process)> processes)
    {
        var seconds = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach ((string name, int process) in processes)
            seconds[name] = seconds.GetValueOrDefault(name) + SecondsOf(process);
        return seconds;
    }

    /// <summary>Processor seconds that all of the machine was busy since it started.</summary>
    public static double BusySeconds()
    {
        double[] fields = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(f => double.Parse(f, CultureInfo.InvariantCulture))];
        const int Idle = 3, Waiting = 4;
        return (fields.Take(8).Sum() - fields[Idle] - fields[Waiting]) / TicksPerSecond;
    }

    /// <summary>Most memory a process ever had resident, in bytes.</summary>
    public static long PeakResidentBytes(int process) => StatusBytes(process, "VmHWM:");

    /// <summary>Memory a process has resident now, in bytes.</summary>
    public static long ResidentBytes(int process) => StatusBytes(process, "VmRSS:");

    /// <summary>Bytes a process has read from and written to disks so far.</summary>
    public static (long Read, long Written) Transferred(int process)
    {
        Dictionary<string, long> counts = File.ReadLines($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/io")
            .Select(static l => l.Split(": "))
            .ToDictionary(static p => p[0], static p => long.Parse(p[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);
        return (counts["read_bytes"], counts["write_bytes"]);
    }

    /// <summary>Processes whose parent is one of these, the parent included.</summary>
    public static IEnumerable<int> Family(int parent) => [parent, .. Process.GetProcesses().Where(p => ParentOf(p.Id) == parent).Select(p => p.Id)];

    private static long StatusBytes(int process, string name)
    {
        string line = File.ReadLines($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    private static double SecondsOf(int process)
    {
        const int UserTicks = 11, KernelTicks = 12;
        return Fields(process) is { } fields
            ? (double.Parse(fields[UserTicks], CultureInfo.InvariantCulture) + double.Parse(fields[KernelTicks], CultureInfo.InvariantCulture)) / TicksPerSecond
            : 0;
    }

    private static int ParentOf(int process)
    {
        const int Parent = 1;
        return Fields(process) is { } fields ? int.Parse(fields[Parent], CultureInfo.InvariantCulture) : 0;
    }

    // From the state on: the name before it may hold anything, also spaces.
    private static string[]? Fields(int process)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
