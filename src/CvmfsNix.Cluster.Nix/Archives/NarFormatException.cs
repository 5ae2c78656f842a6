namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>An archive breaks the grammar or a rule of the format; the message says at which byte, what was found and what was expected.</summary>
public sealed class NarFormatException : FormatException
{
    public NarFormatException(long offset, string found, string expected)
        : base($"Not a valid Nix archive: at byte {offset} found {found}, expected {expected}.")
    {
        Offset = offset;
        Found = found;
        Expected = expected;
    }

    /// <summary>Bytes from the start of the archive to the fault.</summary>
    public long Offset { get; }

    public string Found { get; }

    public string Expected { get; }
}
