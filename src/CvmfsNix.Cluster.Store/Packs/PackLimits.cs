namespace CvmfsNix.Cluster.Store.Packs;

/// <summary>What a reader takes at most; more is a <see cref="PackFormatException"/>.</summary>
public sealed record PackLimits
{
    /// <summary>The limits of this version of the format.</summary>
    public static readonly PackLimits Default = new();

    /// <summary>Stored bytes of one object.</summary>
    public long ObjectStoredBytesMax { get; init; } = 64L << 20;

    /// <summary>Bytes of one object when read: what a receiver may have to inflate. Larger files travel as chunks.</summary>
    public long ObjectPlainBytesMax { get; init; } = 64L << 20;

    /// <summary>Bytes of the whole pack, frames included.</summary>
    public long PackBytesMax { get; init; } = 256L << 20;
}
