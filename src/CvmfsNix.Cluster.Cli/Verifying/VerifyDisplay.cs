using System.Globalization;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Verify.Reports;
using Spectre.Console;

namespace CvmfsNix.Cluster.Cli.Verifying;

/// <summary>Shows how far a check is and how fast, on standard error: a bar on a terminal, else a line now and then.</summary>
internal sealed class VerifyDisplay(Terminal terminal, TimeProvider clock)
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    private readonly long _start = clock.GetTimestamp();

    /// <summary>Runs <paramref name="work"/> with something to report to.</summary>
    public Task<T> RunAsync<T>(string title, Func<IProgress<VerifyProgress>, Task<T>> work) =>
        terminal.ErrorIsTerminal ? RunWithBarAsync(title, work) : work(new Lines(this, title));

    private Task<T> RunWithBarAsync<T>(string title, Func<IProgress<VerifyProgress>, Task<T>> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).StartAsync(context => work(new Bar(this, context.AddTask(Markup.Escape(title)))));
    }

    private string Describe(VerifyProgress p)
    {
        double seconds = Math.Max(0.001, clock.GetElapsedTime(_start).TotalSeconds);
        string storePaths = p.NarPathsKnown > 0 ? $", {p.NarPathsDone} of {p.NarPathsKnown} store paths" : "";
        string rate = string.Create(CultureInfo.InvariantCulture, $"{(p.CatalogsDone + p.ObjectsDone) / seconds:0} objects/s, {Terminal.Bytes((long)(p.Bytes / seconds))}/s");
        return $"{p.CatalogsDone} of {p.CatalogsKnown} catalogs, {p.Entries} entries, {p.ObjectsDone} of {p.ObjectsKnown} objects{storePaths}, {rate}, {p.Findings} findings";
    }

    private sealed class Bar(VerifyDisplay owner, ProgressTask task) : IProgress<VerifyProgress>
    {
        public void Report(VerifyProgress value)
        {
            task.MaxValue = Math.Max(1, value.CatalogsKnown + value.ObjectsKnown + value.NarPathsKnown);
            task.Value = value.CatalogsDone + value.ObjectsDone + value.NarPathsDone;
            task.Description = Markup.Escape(owner.Describe(value));
        }
    }

    private sealed class Lines(VerifyDisplay owner, string title) : IProgress<VerifyProgress>
    {
        private readonly Lock _gate = new();
        private readonly TimeProvider _clock = owner.Clock;
        private long _last = owner.Clock.GetTimestamp();

        public void Report(VerifyProgress value)
        {
            lock (_gate)
            {
                if (_clock.GetElapsedTime(_last) < LineInterval)
                    return;
                _last = _clock.GetTimestamp();
            }

            owner.Note($"{title}: {owner.Describe(value)}");
        }
    }

    private TimeProvider Clock => clock;

    private void Note(string text) => terminal.Note(text);
}
