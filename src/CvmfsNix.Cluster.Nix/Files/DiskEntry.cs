using CvmfsNix.Cluster.Nix.Archives;

namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>A file, directory or symlink found on disk. Names and paths are the raw bytes of the file system, whatever their encoding.</summary>
public sealed record DiskEntry
{
    public required NarEntryKind Kind { get; init; }

    /// <summary>Last component of <see cref="FullPath"/>.</summary>
    public required ReadOnlyMemory<byte> Name { get; init; }

    /// <summary>The path it was reached by.</summary>
    public required ReadOnlyMemory<byte> FullPath { get; init; }

    /// <summary>Files only: whether the owner-execute bit is set.</summary>
    public bool Executable { get; init; }

    /// <summary>Files only: bytes of content when it was looked at; 0 for the other kinds.</summary>
    public long Size { get; init; }

    /// <summary>Symlinks only: the target, raw bytes, as stored.</summary>
    public ReadOnlyMemory<byte> SymlinkTarget { get; init; }
}
