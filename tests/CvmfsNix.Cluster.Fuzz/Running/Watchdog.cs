using System.Diagnostics;

namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>Ends the process when one input takes too long, after writing that input: a loop without end cannot be stopped otherwise.</summary>
public sealed class Watchdog : IDisposable
{
    private readonly Action<byte[]> _tooLong;
    private readonly TimeSpan _patience;
    private readonly Timer _timer;
    private volatile byte[]? _input;
    private long _since;

    /// <summary>Watches at once.</summary>
    /// <param name="patience">Longest time for one input.</param>
    /// <param name="tooLong">Called from another thread with the input; not expected to return.</param>
    public Watchdog(TimeSpan patience, Action<byte[]> tooLong)
    {
        _patience = patience;
        _tooLong = tooLong;
        _timer = new Timer(_ => Look(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <summary>An input begins.</summary>
    public void Begin(byte[] input)
    {
        Volatile.Write(ref _since, Stopwatch.GetTimestamp());
        _input = input;
    }

    /// <summary>It has ended.</summary>
    public void End() => _input = null;

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (_input is { } input && Stopwatch.GetElapsedTime(Volatile.Read(ref _since)) > _patience && ReferenceEquals(input, _input))
            _tooLong(input);
    }
}
