using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.NarInfos;

/// <summary>What a binary cache tells of one store path (<c>HASH.narinfo</c>): the path's info, and where and how its archive is stored.</summary>
public sealed record NarInfo
{
    /// <summary>The directory of <see cref="Path"/>; a cache holds paths of one only.</summary>
    public required StoreDirectory StoreDirectory { get; init; }

    public required StorePathName Path { get; init; }

    /// <summary>Where the stored archive is, relative to the cache's root.</summary>
    public required string Url { get; init; }

    /// <summary>How it is compressed, a name of <see cref="NarCompression"/>.</summary>
    public required string Compression { get; init; }

    /// <summary>SHA-256 of the stored file, where told.</summary>
    public NarHash? FileHash { get; init; }

    /// <summary>Bytes of the stored file, where told.</summary>
    public long? FileSize { get; init; }

    /// <summary>SHA-256 of the archive, not compressed.</summary>
    public required NarHash NarHash { get; init; }

    /// <summary>Bytes of the archive, not compressed; more than 0.</summary>
    public required long NarSize { get; init; }

    /// <summary>In ordinal order without repetition, the path itself included where it refers to itself.</summary>
    public IReadOnlyList<StorePathName> References { get; init; } = [];

    public StorePathName? Deriver { get; init; }

    public IReadOnlyList<string> Signatures { get; init; } = [];

    public string? ContentAddress { get; init; }

    /// <summary>The narinfo of a path that is stored at <paramref name="url"/>.</summary>
    public static NarInfo Create(StoreDirectory directory, PathInfo info, string url, string compression)
    {
        ArgumentNullException.ThrowIfNull(info);
        return new NarInfo
        {
            StoreDirectory = directory,
            Path = info.Path,
            Url = url,
            Compression = compression,
            NarHash = info.NarHash,
            NarSize = info.NarSize,
            References = info.References,
            Deriver = info.Deriver,
            Signatures = info.Signatures,
            ContentAddress = info.ContentAddress,
        };
    }

    /// <summary>Reads a narinfo; keys it does not know are passed over, as stock clients do.</summary>
    /// <exception cref="NarInfoFormatException">It breaks the format.</exception>
    public static NarInfo Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return NarInfoParser.Parse(text);
    }

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out NarInfo? info)
    {
        try
        {
            info = Parse(text);
            return true;
        }
        catch (NarInfoFormatException)
        {
            info = null;
            return false;
        }
    }

    /// <summary>The part that does not depend on how the archive is stored.</summary>
    public PathInfo ToPathInfo() => new()
    {
        Path = Path,
        NarHash = NarHash,
        NarSize = NarSize,
        References = References,
        Deriver = Deriver,
        Signatures = Signatures,
        ContentAddress = ContentAddress,
    };

    /// <summary>The file's text, keys in the order of stock Nix, each line closed by a newline.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        Line(text, "StorePath", StoreDirectory.FullPath(Path));
        Line(text, "URL", Url);
        Line(text, "Compression", Compression);
        if (FileHash is { } fileHash)
            Line(text, "FileHash", fileHash.ToString());
        if (FileSize is { } fileSize)
            Line(text, "FileSize", fileSize.ToString(CultureInfo.InvariantCulture));
        Line(text, "NarHash", NarHash.ToString());
        Line(text, "NarSize", NarSize.ToString(CultureInfo.InvariantCulture));
        Line(text, "References", string.Join(' ', References.Order()));
        if (Deriver is { } deriver)
            Line(text, "Deriver", deriver.Value);
        foreach (string signature in Signatures)
            Line(text, "Sig", signature);
        if (ContentAddress is { } address)
            Line(text, "CA", address);
        return text.ToString();
    }

    private static void Line(StringBuilder text, string key, string value)
    {
        // A line break in a value would forge other keys.
        if (value.AsSpan().IndexOfAny('\n', '\r', '\0') >= 0)
            throw new InvalidOperationException($"The narinfo value of {key} holds a line break or NUL.");
        text.Append(key).Append(": ").Append(value).Append('\n');
    }
}
