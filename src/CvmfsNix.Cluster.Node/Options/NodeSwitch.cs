namespace CvmfsNix.Cluster.Node.Options;

/// <summary>One setting of the node: a switch, an environment variable and a key of the settings file under one name.</summary>
/// <param name="Name">As on the command line without the two dashes, e.g. <c>token-file</c>.</param>
/// <param name="Placeholder">What stands for its value in the help text; null for a flag, which needs none.</param>
/// <param name="Default">The default as the help text shows it; null when there is none.</param>
/// <param name="Help">One line.</param>
public sealed record NodeSwitch(string Name, string? Placeholder, string? Default, string Help)
{
    /// <summary>What every environment variable of the node starts with.</summary>
    public const string EnvironmentPrefix = "CVMFSNIX__";

    /// <summary>True when the switch may stand alone.</summary>
    public bool IsFlag => Placeholder is null;

    /// <summary>The name without dashes in lower case: environment variables and file keys are compared by it.</summary>
    public string Key => Fold(Name);

    /// <summary>The environment variable.</summary>
    public string EnvironmentVariable => EnvironmentPrefix + Key.ToUpperInvariant();

    /// <summary>Drops dashes and letter case, so that <c>token-file</c>, <c>tokenFile</c> and <c>TOKENFILE</c> are one name.</summary>
    public static string Fold(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
    }
}
