using System.Collections.Concurrent;
using System.Text;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>
/// Reads lines from somebody at a terminal: cursor keys, the usual control keys, history, completion with TAB. What is longer than the
/// terminal is wide is shown in part.
/// </summary>
/// <param name="prompt">In front of every line.</param>
/// <param name="complete">Candidates for what stands before the cursor, and where the word they replace begins.</param>
/// <param name="output">The terminal.</param>
internal sealed class LineEditor(string prompt, Func<string, CancellationToken, Task<(int From, IReadOnlyList<string> Candidates)>> complete, TextWriter output)
{
    private const int HistoryMax = 500;
    private const int CandidatesShown = 60;
    private const int WidthUsual = 80;

    private static readonly ConcurrentQueue<ConsoleKeyInfo> Waiting = new();
    private static readonly TimeSpan LookForKeys = TimeSpan.FromMilliseconds(20);

    private readonly List<string> _history = [];
    private readonly StringBuilder _line = new();
    private int _cursor;
    private int _recalled;

    /// <summary>True when Ctrl-C was typed since; other keys are kept for the next line.</summary>
    public static bool InterruptWaits()
    {
        while (Console.KeyAvailable)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (IsInterrupt(key))
            {
                Waiting.Clear();
                return true;
            }

            Waiting.Enqueue(key);
        }

        return false;
    }

    /// <summary>
    /// The answer to a question asked while a command runs: its keys come by <see cref="InterruptWaits"/>, which somebody else calls meanwhile.
    /// </summary>
    public static async Task<string> ReadAnswerAsync(TextWriter output, CancellationToken ct)
    {
        var answer = new StringBuilder();
        while (true)
        {
            if (!Waiting.TryDequeue(out ConsoleKeyInfo key))
            {
                await Task.Delay(LookForKeys, ct);
                continue;
            }

            if (key.Key == ConsoleKey.Enter)
            {
                output.Write("\r\n");
                return answer.ToString();
            }

            if (key.Key == ConsoleKey.Backspace && answer.Length > 0)
            {
                answer.Length--;
                output.Write("\b \b");
            }
            else if (!char.IsControl(key.KeyChar))
            {
                answer.Append(key.KeyChar);
                output.Write(key.KeyChar);
            }
        }
    }

    /// <summary>The next line; null at its end (Ctrl-D on an empty line).</summary>
    public async Task<string?> ReadAsync(CancellationToken ct)
    {
        _line.Clear();
        (_cursor, _recalled) = (0, _history.Count);
        Draw();
        while (true)
        {
            ConsoleKeyInfo key = Waiting.TryDequeue(out ConsoleKeyInfo kept) ? kept : await Task.Run(() => Console.ReadKey(intercept: true), ct);
            switch (key)
            {
                case { Key: ConsoleKey.Enter }:
                    output.Write("\r\n");
                    Remember();
                    return _line.ToString();
                case { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control } when _line.Length == 0:
                    output.Write("\r\n");
                    return null;
                case var _ when IsInterrupt(key):
                    output.Write("^C\r\n");
                    _line.Clear();
                    _cursor = 0;
                    break;
                case { Key: ConsoleKey.Tab }:
                    await CompleteAsync(ct);
                    break;
                default:
                    Edit(key);
                    break;
            }

            Draw();
        }
    }

    private static bool IsInterrupt(ConsoleKeyInfo key) => key is { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control } || key.KeyChar == '\x03';

    private void Edit(ConsoleKeyInfo key)
    {
        switch (key)
        {
            case { Key: ConsoleKey.Backspace } when _cursor > 0:
                _line.Remove(--_cursor, 1);
                break;
            case { Key: ConsoleKey.Delete } or { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control } when _cursor < _line.Length:
                _line.Remove(_cursor, 1);
                break;
            case { Key: ConsoleKey.LeftArrow } when _cursor > 0:
                _cursor--;
                break;
            case { Key: ConsoleKey.RightArrow } when _cursor < _line.Length:
                _cursor++;
                break;
            case { Key: ConsoleKey.Home } or { Key: ConsoleKey.A, Modifiers: ConsoleModifiers.Control }:
                _cursor = 0;
                break;
            case { Key: ConsoleKey.End } or { Key: ConsoleKey.E, Modifiers: ConsoleModifiers.Control }:
                _cursor = _line.Length;
                break;
            case { Key: ConsoleKey.U, Modifiers: ConsoleModifiers.Control }:
                _line.Remove(0, _cursor);
                _cursor = 0;
                break;
            case { Key: ConsoleKey.K, Modifiers: ConsoleModifiers.Control }:
                _line.Length = _cursor;
                break;
            case { Key: ConsoleKey.UpArrow } or { Key: ConsoleKey.P, Modifiers: ConsoleModifiers.Control } when _recalled > 0:
                Recall(_recalled - 1);
                break;
            case { Key: ConsoleKey.DownArrow } or { Key: ConsoleKey.N, Modifiers: ConsoleModifiers.Control } when _recalled < _history.Count:
                Recall(_recalled + 1);
                break;
            case var _ when !char.IsControl(key.KeyChar):
                _line.Insert(_cursor++, key.KeyChar);
                break;
        }
    }

    private void Recall(int index)
    {
        _recalled = index;
        _line.Clear().Append(index < _history.Count ? _history[index] : "");
        _cursor = _line.Length;
    }

    private void Remember()
    {
        string line = _line.ToString().Trim();
        if (line.Length == 0 || (_history.Count > 0 && _history[^1] == line))
            return;
        _history.Add(line);
        if (_history.Count > HistoryMax)
            _history.RemoveAt(0);
    }

    private async Task CompleteAsync(CancellationToken ct)
    {
        string before = _line.ToString(0, _cursor);
        int from;
        IReadOnlyList<string> candidates;
        try
        {
            (from, candidates) = await complete(before, ct);
        }
        catch (Output.CliException)
        {
            // The node does not answer now; the next command will say so.
            return;
        }

        if (candidates.Count == 0)
            return;
        string common = candidates.Count == 1 ? candidates[0] + " " : PbmCompletion.Common(candidates);
        if (common.Length > before.Length - from)
        {
            _line.Remove(from, _cursor - from).Insert(from, common);
            _cursor = from + common.Length;
            return;
        }

        output.Write("\r\n");
        foreach (string candidate in candidates.Take(CandidatesShown))
            output.Write($"  {candidate}\r\n");
        if (candidates.Count > CandidatesShown)
            output.Write($"  … {candidates.Count - CandidatesShown} more\r\n");
    }

    private void Draw()
    {
        int room = Math.Max(10, Width() - prompt.Length - 1);
        int start = Math.Max(0, _cursor - room);
        string shown = _line.ToString(start, Math.Min(room, _line.Length - start));
        output.Write($"\r{prompt}{shown}\x1b[K\r\x1b[{prompt.Length + _cursor - start}C");
        output.Flush();
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth > 0 ? Console.WindowWidth : WidthUsual;
        }
        catch (IOException)
        {
            return WidthUsual;
        }
    }
}
