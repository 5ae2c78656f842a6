namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>A registration breaks its line format; the message names the line.</summary>
public sealed class RegistrationFormatException : FormatException
{
    public RegistrationFormatException(long line, string problem)
        : base($"Not a valid registration (as printed by nix-store --dump-db): line {line}: {problem}.")
    {
        Line = line;
    }

    /// <summary>Line of the fault, the first being 1.</summary>
    public long Line { get; }
}
