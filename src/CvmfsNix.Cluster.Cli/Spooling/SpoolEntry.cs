namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>
/// What one run of the hook left: lines <c>cvmfsnix-spool 1</c>, <c>drv PATH</c>, then <c>path PATH</c> and <c>root LINK</c> for each
/// output, and <c>end</c>. Unknown lines are passed over; without the last line the file is not whole.
/// </summary>
/// <param name="Derivation">What was built.</param>
/// <param name="Paths">Full store paths, at least one.</param>
/// <param name="Roots">Links that keep the paths from being collected; the agent removes them.</param>
internal sealed record SpoolEntry(string Derivation, IReadOnlyList<string> Paths, IReadOnlyList<string> Roots)
{
    private const string FirstLine = "cvmfsnix-spool 1";
    private const string LastLine = "end";
    private const int PathsMax = 10_000;

    /// <summary>Reads an entry.</summary>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static SpoolEntry Parse(string text)
    {
        string[] lines = text.Split('\n');
        if (lines[0] != FirstLine)
            throw new FormatException($"the first line is not \"{FirstLine}\"");
        if (lines.Length < 3 || lines[^1].Length > 0 || lines[^2] != LastLine)
            throw new FormatException($"the last line is not \"{LastLine}\": the file is not whole");
        string derivation = "";
        List<string> paths = [], roots = [];
        foreach (string line in lines[1..^2])
        {
            if (Value(line, "drv ") is { } drv)
                derivation = drv;
            else if (Value(line, "path ") is { } path)
                paths.Add(path);
            else if (Value(line, "root ") is { } root)
                roots.Add(root);
        }

        if (paths.Count is 0 or > PathsMax)
            throw new FormatException($"it names {paths.Count} paths");
        return paths.Concat(roots).FirstOrDefault(static path => path.Length < 2 || path[0] != '/') is { } odd
            ? throw new FormatException($"\"{odd}\" is no absolute path")
            : new SpoolEntry(derivation, paths, roots);
    }

    private static string? Value(string line, string key) => line.StartsWith(key, StringComparison.Ordinal) ? line[key.Length..] : null;
}
