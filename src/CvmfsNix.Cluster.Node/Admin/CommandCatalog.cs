using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>All palettes of this node.</summary>
public sealed class CommandCatalog(IEnumerable<IPaletteSource> sources)
{
    private readonly Palette[] _palettes = [.. sources.Select(s => s.Palette).OrderBy(p => p.Name, StringComparer.Ordinal)];

    /// <summary>By name.</summary>
    public IReadOnlyList<Palette> Palettes => _palettes;

    /// <summary>Finds a command.</summary>
    /// <exception cref="NodeException">UnknownCommand, with the nearest name.</exception>
    public CommandDefinition Find(string palette, string command)
    {
        var found = _palettes.FirstOrDefault(p => p.Name == palette)
            ?? throw Unknown($"There is no palette {palette}", palette, palette, _palettes.Select(p => p.Name), "The palettes are");
        return found.Commands.FirstOrDefault(c => c.Name == command)
            ?? throw Unknown(
                command.Length == 0 ? $"The palette {palette} needs a command" : $"The palette {palette} has no command {command}", $"{palette} {command}".TrimEnd(), command, found.Commands.Select(c => c.Name), $"Commands of {palette}:");
    }

    private static NodeException Unknown(string message, string what, string written, IEnumerable<string> known, string lead)
    {
        string[] names = [.. known];
        string near = written.Length > 0 && NearestName.Of(written, names) is { } name ? $"; did you mean {name}?" : ".";
        return new NodeException(new NodeError(NodeCodes.UnknownCommand, message + near, what, $"{lead} {string.Join(", ", names)}."));
    }
}
