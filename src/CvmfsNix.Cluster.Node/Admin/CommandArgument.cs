namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Something a command takes.</summary>
/// <param name="Name">As handlers ask for it.</param>
/// <param name="Description">One line.</param>
/// <param name="Switches">Spellings, with their hyphen; the first is shown.</param>
public sealed record CommandArgument(string Name, string Description, params IReadOnlyList<string> Switches)
{
    /// <summary>The command cannot run without it.</summary>
    public bool Mandatory { get; init; }

    /// <summary>It takes no value.</summary>
    public bool Flag { get; init; }

    /// <summary>Values that always make sense.</summary>
    public IReadOnlyList<string> Suggested { get; init; } = [];

    /// <summary>Values that make sense at this moment, given what else was typed; null when only <see cref="Suggested"/> are known.</summary>
    public Func<CommandArguments, CancellationToken, Task<IEnumerable<string>>>? Live { get; init; }
}
