using System.Globalization;

namespace CvmfsNix.Cluster.FaultTests.Nemesis;

/// <summary>What happened, in the order it happened, for whoever has to understand a failure. Thread-safe.</summary>
internal sealed class Transcript
{
    private readonly long _start = TimeProvider.System.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];

    /// <summary>Adds a line with the time since the start.</summary>
    public void Add(string line)
    {
        double seconds = TimeProvider.System.GetElapsedTime(_start).TotalSeconds;
        lock (_lock)
            _lines.Add(string.Create(CultureInfo.InvariantCulture, $"{seconds,9:0.000}  {line}"));
    }

    public override string ToString()
    {
        lock (_lock)
            return string.Join('\n', _lines);
    }
}
