namespace CvmfsNix.Cluster.Verify.Catalogs;

/// <summary>What the two rows of a transition point have to agree in, as the columns hold it.</summary>
public sealed record TransitionRow
{
    /// <summary>Raw name.</summary>
    public required ReadOnlyMemory<byte> Name { get; init; }

    /// <summary>Link count and hard link group: group in the upper 32 bits.</summary>
    public required long Hardlinks { get; init; }

    public required long Size { get; init; }

    public required long Mode { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long ModifiedAt { get; init; }

    /// <summary>Null where the column is NULL or not there.</summary>
    public long? ModifiedAtNanos { get; init; }

    /// <summary>Raw hash, or null.</summary>
    public ReadOnlyMemory<byte>? Hash { get; init; }

    public required long Flags { get; init; }

    public required ReadOnlyMemory<byte> Symlink { get; init; }

    public required bool HasXattrs { get; init; }

    /// <summary>The link count alone.</summary>
    public long LinkCount => Hardlinks & uint.MaxValue;
}
