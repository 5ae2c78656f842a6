namespace CvmfsNix.Cluster.Nix.NarInfos;

/// <summary>A narinfo file breaks its format; the message names the line.</summary>
public sealed class NarInfoFormatException : FormatException
{
    public NarInfoFormatException(int line, string problem)
        : base(line > 0 ? $"Not a valid narinfo: line {line}: {problem}." : $"Not a valid narinfo: {problem}.")
    {
        Line = line;
    }

    /// <summary>Line of the fault, the first being 1; 0 when it is of the file as a whole.</summary>
    public int Line { get; }
}
