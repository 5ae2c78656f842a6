using CvmfsNix.Cluster.Contracts.Admin;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>What could stand where the cursor is.</summary>
/// <param name="palettes">Of the node.</param>
/// <param name="live">Asks the node for values of the moment.</param>
internal sealed class PbmCompletion(IReadOnlyList<Palette> palettes, Func<CompleteRequest, CancellationToken, Task<IReadOnlyList<string>>> live)
{
    private static readonly string[] OwnWords = ["help", "exit"];
    private static readonly string[] OwnSwitches = ["--json", "--watch", "--yes"];

    /// <summary>Candidates for the word that is being typed, in order, and where that word begins.</summary>
    public async Task<(int From, IReadOnlyList<string> Candidates)> AtAsync(string line, CancellationToken ct)
    {
        IReadOnlyList<string> words = PbmWords.Split(line, out int from);
        string begun = line[from..];
        IReadOnlyList<string> before = begun.Length > 0 && words.Count > 0 ? [.. words.Take(words.Count - 1)] : words;
        IEnumerable<string> all = before switch
        {
            [] => palettes.Select(p => p.Name).Concat(OwnWords),
            ["help"] => palettes.Select(p => p.Name),
            ["help", var palette] => CommandsOf(palette),
            ["help", ..] or ["exit", ..] => [],
            [var palette] => CommandsOf(palette),
            [var palette, var command, ..] => await OfCommandAsync(palette, command, [.. before.Skip(2)], begun, ct),
        };
        return (from, [.. all.Where(c => c.StartsWith(begun, StringComparison.Ordinal)).Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>What all candidates begin with.</summary>
    public static string Common(IReadOnlyList<string> candidates)
    {
        if (candidates.Count == 0)
            return "";
        string common = candidates[0];
        foreach (string candidate in candidates)
        {
            int length = 0;
            while (length < Math.Min(common.Length, candidate.Length) && common[length] == candidate[length])
                length++;
            common = common[..length];
        }

        return common;
    }

    private IEnumerable<string> CommandsOf(string palette) => palettes.FirstOrDefault(p => p.Name == palette)?.Commands.Select(c => c.Name) ?? [];

    private async Task<IEnumerable<string>> OfCommandAsync(string palette, string name, IReadOnlyList<string> given, string begun, CancellationToken ct)
    {
        if (palettes.FirstOrDefault(p => p.Name == palette)?.Commands.FirstOrDefault(c => c.Name == name) is not { } command)
            return [];
        if (given.Count > 0 && Find(command, given[^1]) is { Flag: false } wanted)
            return await ValuesAsync(palette, command, wanted, given, begun, ct);
        HashSet<Argument> used = [.. given.Select(w => Find(command, w)).OfType<Argument>()];
        IEnumerable<string> switches = command.Arguments.Where(a => !used.Contains(a)).Select(a => a.Switches[0]);
        if (begun.StartsWith('-'))
            return command.Arguments.Where(a => !used.Contains(a)).SelectMany(a => a.Switches).Concat(OwnSwitches);
        // A value without a switch is taken for the first argument that has none.
        Argument? first = command.Arguments.FirstOrDefault(a => !a.Flag && !used.Contains(a));
        IEnumerable<string> values = first is not null && (first.Live || first.Suggested.Count > 0) && (begun.Length > 0 || command.Arguments.Count == 1)
            ? await ValuesAsync(palette, command, first, given, begun, ct)
            : [];
        return begun.Length == 0 ? switches.Concat(values) : values;
    }

    private async Task<IEnumerable<string>> ValuesAsync(string palette, Command command, Argument argument, IReadOnlyList<string> given, string begun, CancellationToken ct)
    {
        if (!argument.Live)
            return argument.Suggested;
        var request = new CompleteRequest { Palette = palette, Command = command.Name, Argument = argument.Name, Begun = begun };
        request.Words.AddRange(given);
        return await live(request, ct);
    }

    private static Argument? Find(Command command, string word) => word.StartsWith('-') ? command.Arguments.FirstOrDefault(a => a.Switches.Contains(word)) : null;
}
