using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>From the words behind a command to its arguments. Every mistake is named at once.</summary>
public static class CommandParser
{
    /// <summary>Most words of a command line; more is no operator's.</summary>
    public const int WordsMax = 200;

    /// <summary>Reads the words.</summary>
    /// <exception cref="NodeException">WrongArguments.</exception>
    public static CommandArguments Parse(string palette, CommandDefinition command, IReadOnlyList<string> words)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(words);
        var (values, mistakes) = Read(command, words);
        mistakes.AddRange(command.Arguments.Where(a => a.Mandatory && !values.ContainsKey(a.Name)).Select(a => $"{a.Switches[0]} {a.Name.ToUpperInvariant()} is missing: {a.Description}."));
        return mistakes.Count == 0
            ? new CommandArguments(values)
            : throw new NodeException(new NodeError(NodeCodes.WrongArguments, string.Join(' ', mistakes), $"{palette} {command.Name}", Usage(palette, command)));
    }

    /// <summary>What can be understood of a line that is still being typed.</summary>
    public static CommandArguments Glance(CommandDefinition command, IReadOnlyList<string> words) => new(Read(command, words).Values);

    /// <summary>The command in one line, as <c>txn show -r REPO [-t TXN]</c>.</summary>
    public static string Usage(string palette, CommandDefinition command)
    {
        ArgumentNullException.ThrowIfNull(command);
        return string.Join(' ', (string[])[palette, command.Name, .. command.Arguments.Select(Shown)]);

        static string Shown(CommandArgument a)
        {
            string text = a.Flag ? a.Switches[0] : $"{a.Switches[0]} {a.Name.ToUpperInvariant()}";
            return a.Mandatory ? text : $"[{text}]";
        }
    }

    private static (SortedDictionary<string, string> Values, List<string> Mistakes) Read(CommandDefinition command, IReadOnlyList<string> words)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var mistakes = new List<string>();
        if (words.Count > WordsMax)
            mistakes.Add($"There are more than {WordsMax} words.");
        for (int i = 0; i < Math.Min(words.Count, WordsMax); i++)
        {
            string word = words[i];
            if (word.Length < 2 || word[0] != '-' || char.IsAsciiDigit(word[1]))
            {
                Add(command.Arguments.FirstOrDefault(a => !a.Flag && !values.ContainsKey(a.Name)), word, word);
                continue;
            }

            int equals = word.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? word : word[..equals];
            var argument = Find(command, name);
            if (argument is null)
                mistakes.Add($"{name} is no switch of this command{Meant(name, command)}.");
            else if (argument.Flag)
                Add(argument, equals < 0 ? "true" : word[(equals + 1)..], name);
            else if (equals >= 0)
                Add(argument, word[(equals + 1)..], name);
            else if (i + 1 < words.Count)
                Add(argument, words[++i], name);
            else
                mistakes.Add($"{name} needs a value: {argument.Description}.");
        }

        return (values, mistakes);

        void Add(CommandArgument? argument, string value, string shown)
        {
            if (argument is null)
                mistakes.Add($"\"{shown}\" is one value too many.");
            else if (!values.TryAdd(argument.Name, value))
                mistakes.Add($"{shown} is given twice.");
            else if (argument.Flag && value != "true")
                mistakes.Add($"{shown} takes no value.");
        }
    }

    // With one hyphen or two.
    private static CommandArgument? Find(CommandDefinition command, string name) =>
        command.Arguments.FirstOrDefault(a => a.Switches.Any(s => s.TrimStart('-') == name.TrimStart('-'))) ?? command.Arguments.FirstOrDefault(a => a.Name == name.TrimStart('-'));

    private static string Meant(string name, CommandDefinition command) =>
        NearestName.Of(name.TrimStart('-'), command.Arguments.SelectMany(a => a.Switches.Select(s => s.TrimStart('-')).Append(a.Name)).Where(n => n.Length > 2)) is { } near ? $"; did you mean --{near}?" : "";
}
