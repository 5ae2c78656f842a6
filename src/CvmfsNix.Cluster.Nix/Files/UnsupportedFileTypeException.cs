namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>A tree holds something that is no file, directory or symlink (a socket, FIFO or device). A store path never does.</summary>
public sealed class UnsupportedFileTypeException : IOException
{
    public UnsupportedFileTypeException(ReadOnlySpan<byte> path, string type)
        : base($"{DiskPath.Show(path)} is a {type}; only files, directories and symlinks can be published.")
    {
        Path = path.ToArray();
    }

    public ReadOnlyMemory<byte> Path { get; }
}
