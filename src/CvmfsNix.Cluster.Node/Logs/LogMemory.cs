using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Logs;

/// <summary>A line of the log.</summary>
public sealed record LogLine(DateTimeOffset At, LogLevel Level, string Category, string Text);

/// <summary>Remembers the last lines of the log and hands new ones to whoever follows. Thread-safe.</summary>
public sealed class LogMemory(TimeProvider time) : ILoggerProvider
{
    /// <summary>Lines kept.</summary>
    public const int Kept = 2_000;

    private const int TextMax = 8_000;
    private const int WaitingMax = 1_000;

    private readonly Lock _gate = new();
    private readonly Queue<LogLine> _lines = new();
    private readonly HashSet<Channel<LogLine>> _followers = [];

    /// <summary>The newest lines, oldest of them first.</summary>
    public IReadOnlyList<LogLine> Last(int count)
    {
        lock (_gate)
            return [.. _lines.TakeLast(count)];
    }

    /// <summary>The newest lines and then every new one. Who reads too slowly misses the oldest of those that wait.</summary>
    public async IAsyncEnumerable<LogLine> FollowAsync(int count, [EnumeratorCancellation] CancellationToken ct)
    {
        var channel = Channel.CreateBounded<LogLine>(new BoundedChannelOptions(WaitingMax) { FullMode = BoundedChannelFullMode.DropOldest });
        IReadOnlyList<LogLine> begin;
        lock (_gate)
        {
            begin = [.. _lines.TakeLast(count)];
            _followers.Add(channel);
        }

        try
        {
            foreach (LogLine line in begin)
                yield return line;
            await foreach (LogLine line in channel.Reader.ReadAllAsync(ct))
                yield return line;
        }
        finally
        {
            lock (_gate)
                _followers.Remove(channel);
        }
    }

    public ILogger CreateLogger(string categoryName) => new Writer(this, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    public void Dispose()
    {
    }

    private void Add(LogLine line)
    {
        lock (_gate)
        {
            _lines.Enqueue(line);
            if (_lines.Count > Kept)
                _lines.Dequeue();
            foreach (Channel<LogLine> follower in _followers)
                follower.Writer.TryWrite(line);
        }
    }

    private sealed class Writer(LogMemory memory, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string text = formatter(state, exception);
            if (exception is not null)
                text = $"{text} {exception.GetType().Name}: {exception.Message}";
            text = text.ReplaceLineEndings(" ");
            memory.Add(new LogLine(memory.Now, logLevel, category, text.Length <= TextMax ? text : text[..TextMax]));
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();
}
