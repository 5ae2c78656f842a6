using CvmfsNix.Cluster.Contracts.Admin;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Help texts, made of what the node tells of its commands.</summary>
internal static class PbmHelp
{
    /// <summary>About nothing in particular, a palette, or a command; null when there is no such thing.</summary>
    public static string? Text(ListPalettesReply all, IReadOnlyList<string> about)
    {
        if (about.Count == 0)
            return string.Join('\n', (string[])[
                "Palettes; help PALETTE tells their commands:",
                .. all.Palettes.Select(p => $"  {p.Name,-18}{p.Description}"),
                "And: help, exit."]);
        if (all.Palettes.FirstOrDefault(p => p.Name == about[0]) is not { } palette)
            return null;
        if (about.Count == 1)
            return string.Join('\n', (string[])[$"{palette.Name}: {palette.Description}", .. palette.Commands.Select(c => $"  {c.Name,-18}{c.Description}{Marks(c)}")]);
        return palette.Commands.FirstOrDefault(c => c.Name == about[1]) is { } command ? OfCommand(palette, command) : null;
    }

    private static string OfCommand(Palette palette, Command command) => string.Join('\n', (string[])[
        $"{palette.Name} {command.Name}: {command.Description}{Marks(command)}",
        .. command.Arguments.Select(a => $"  {string.Join(", ", a.Switches) + (a.Flag ? "" : " " + a.Name.ToUpperInvariant()),-28}{a.Description}{(a.Mandatory ? " (mandatory)" : "")}{Suggested(a)}"),
        $"  needs the scope {command.Scope}"]);

    private static string Marks(Command c) => c.Destructive ? " (to be confirmed)" : c.Endless ? " (until Ctrl-C)" : "";

    private static string Suggested(Argument a) => a.Suggested.Count > 0 ? $": {string.Join(' ', a.Suggested)}" : "";
}
