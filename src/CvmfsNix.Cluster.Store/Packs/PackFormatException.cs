namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>The bytes are no object pack, or not all of it.</summary>
/// <param name="offset">Bytes from the start of the pack.</param>
/// <param name="message">What was found and what was expected.</param>
/// <param name="inner">What failed below, if anything.</param>
public sealed class PackFormatException(long offset, string message, Exception? inner = null)
    : FormatException($"Object pack, at byte {offset}: {message}", inner)
{
    /// <summary>Bytes from the start of the pack.</summary>
    public long Offset { get; } = offset;
}
