namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>What a <see cref="NarEvent"/> reports.</summary>
public enum NarEventKind
{
    DirectoryBegin,
    DirectoryEnd,
    File,
    Symlink,
}

/// <summary>One step through an archive, in the order of its bytes. A value of its own: it stays valid after the next read, except <see cref="Content"/>.</summary>
public sealed record NarEvent
{
    public required NarEventKind Kind { get; init; }

    /// <summary>Name in the directory around it, raw bytes; empty for the root and for <see cref="NarEventKind.DirectoryEnd"/>.</summary>
    public ReadOnlyMemory<byte> Name { get; init; }

    /// <summary>Files only: whether the owner-execute bit is set.</summary>
    public bool Executable { get; init; }

    /// <summary>Files only: bytes of content.</summary>
    public long Size { get; init; }

    /// <summary>Files only: offset of the content in the archive.</summary>
    public long ContentOffset { get; init; }

    /// <summary>Symlinks only: the target, raw bytes, as stored.</summary>
    public ReadOnlyMemory<byte> Target { get; init; }

    /// <summary>
    /// Files only: the content, forward only, exactly <see cref="Size"/> bytes. What is not read before the reader's next
    /// step is skipped; reading it after that step is an <see cref="InvalidOperationException"/>.
    /// </summary>
    public Stream Content { get; init; } = Stream.Null;
}
