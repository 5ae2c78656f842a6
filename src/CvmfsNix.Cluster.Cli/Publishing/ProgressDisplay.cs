using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Store.Ingest;
using Spectre.Console;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>Shows how far an ingest is, on standard error: a bar on a terminal, else a line now and then.</summary>
internal sealed class ProgressDisplay(Terminal terminal, TimeProvider clock, bool bars)
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    private readonly Terminal _terminal = terminal;
    private readonly TimeProvider _clock = clock;

    /// <summary>Runs <paramref name="work"/> with something to report to.</summary>
    public Task<T> RunAsync<T>(string title, Func<IProgress<IngestProgress>, Task<T>> work) =>
        bars && _terminal.ErrorIsTerminal ? RunWithBarAsync(title, work) : work(new Lines(this, title));

    private static Task<T> RunWithBarAsync<T>(string title, Func<IProgress<IngestProgress>, Task<T>> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).StartAsync(context =>
        {
            ProgressTask task = context.AddTask(Markup.Escape(title));
            return work(new Bar(task, title));
        });
    }

    private static string Describe(IngestProgress p) =>
        $"{p.PathsDone} of {p.PathsTotal} paths, {Terminal.Bytes(p.BytesRead)} read, {p.ObjectsSent} objects and {Terminal.Bytes(p.BytesSent)} sent";

    private sealed class Bar(ProgressTask task, string title) : IProgress<IngestProgress>
    {
        public void Report(IngestProgress value)
        {
            task.MaxValue = Math.Max(1, value.PathsTotal);
            task.Value = value.PathsDone;
            task.Description = Markup.Escape($"{title}: {Terminal.Bytes(value.BytesSent)} sent");
        }
    }

    private sealed class Lines(ProgressDisplay owner, string title) : IProgress<IngestProgress>
    {
        private readonly Lock _gate = new();
        private readonly TimeProvider _clock = owner._clock;
        private long _last = owner._clock.GetTimestamp();

        public void Report(IngestProgress value)
        {
            lock (_gate)
            {
                if (_clock.GetElapsedTime(_last) < LineInterval)
                    return;
                _last = _clock.GetTimestamp();
            }

            owner._terminal.Note($"{title}: {Describe(value)}");
        }
    }
}
