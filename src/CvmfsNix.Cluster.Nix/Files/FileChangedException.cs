namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>A file changed while it was read, so that what was read is nobody's content. Store paths are immutable: something else writes there.</summary>
public sealed class FileChangedException : IOException
{
    public FileChangedException(ReadOnlySpan<byte> path, string change)
        : base($"{DiskPath.Show(path)} changed while it was read ({change}). Publish from a tree that nothing writes to.")
    {
        Path = path.ToArray();
    }

    public ReadOnlyMemory<byte> Path { get; }
}
