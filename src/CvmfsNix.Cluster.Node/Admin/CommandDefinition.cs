namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Runs a command.</summary>
/// <param name="arguments">Checked for completeness, not for sense.</param>
/// <param name="output">Takes its lines.</param>
/// <param name="ct">The caller went away, or ended a command that goes on.</param>
/// <returns>False: done, and the answer is no.</returns>
public delegate Task<bool> CommandHandler(CommandArguments arguments, ICommandOutput output, CancellationToken ct);

/// <summary>A command of a palette.</summary>
/// <param name="Name">Lower case, hyphens.</param>
/// <param name="Description">One line.</param>
/// <param name="Run">Does it.</param>
/// <param name="Arguments">In the order in which values without a switch are taken.</param>
public sealed record CommandDefinition(string Name, string Description, CommandHandler Run, params IReadOnlyList<CommandArgument> Arguments)
{
    /// <summary>What the caller's credential has to allow. Everything above <see cref="AdminScope.Read"/> is written to the audit log.</summary>
    public AdminScope Scope { get; init; } = AdminScope.Read;

    /// <summary>It is only run when the operator has confirmed it.</summary>
    public bool Destructive { get; init; }

    /// <summary>It goes on until the caller ends it.</summary>
    public bool Endless { get; init; }
}

/// <summary>Commands that belong together.</summary>
/// <param name="Name">Lower case, hyphens.</param>
/// <param name="Description">One line.</param>
/// <param name="Commands">In the order of the help.</param>
public sealed record Palette(string Name, string Description, IReadOnlyList<CommandDefinition> Commands);

/// <summary>Makes a palette.</summary>
public interface IPaletteSource
{
    Palette Palette { get; }
}
