using System.Buffers;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>What a path below the root of a binary cache names.</summary>
public enum CacheFileKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary><c>nix-cache-info</c>.</summary>
    CacheInfo,

    /// <summary><c>HASH.narinfo</c>; the name is the hash.</summary>
    NarInfo,

    /// <summary><c>HASH.ls</c>; the name is the hash.</summary>
    Listing,

    /// <summary><c>nar/NAME</c>.</summary>
    Nar,

    /// <summary>A file that builders leave beside the paths and that says nothing to the cache: build logs, realisations, build traces, places of debug information.</summary>
    Companion,
}

/// <summary>
/// A path below the root of a binary cache, taken apart. Only what is named here exists, and names that become file names are made of harmless
/// characters.
/// </summary>
/// <param name="Kind">What it names.</param>
/// <param name="Name">Which one; for a companion the whole path.</param>
/// <param name="Zstd">Asked for below <c>zstd/</c>: the same cache, with archives compressed.</param>
public readonly record struct CacheFile(CacheFileKind Kind, string Name = "", bool Zstd = false)
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdfghijklmnpqrsvwxyz");
    private const string ZstdFolder = "zstd/";
    private const int NarNameLengthMax = 160;
    private const int CompanionPartMax = 255;

    /// <summary>Takes apart a decoded path without leading slash.</summary>
    public static CacheFile Parse(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.StartsWith(ZstdFolder, StringComparison.Ordinal)
            ? ParseRoot(path[ZstdFolder.Length..]) with { Zstd = true }
            : ParseRoot(path);
    }

    private static CacheFile ParseRoot(string path)
    {
        if (path == "nix-cache-info")
            return new CacheFile(CacheFileKind.CacheInfo);
        string[] parts = path.Split('/', 4);
        return parts switch
        {
            [var file] when HashOf(file, ".narinfo") is { } hash => new CacheFile(CacheFileKind.NarInfo, hash),
            [var file] when HashOf(file, ".ls") is { } hash => new CacheFile(CacheFileKind.Listing, hash),
            ["nar", var file] when IsNarName(file) => new CacheFile(CacheFileKind.Nar, file),
            ["log" or "realisations" or "debuginfo", var file] when IsPart(file) => new CacheFile(CacheFileKind.Companion, path),
            ["build-trace-v2", var derivation, var file] when IsPart(derivation) && IsPart(file) => new CacheFile(CacheFileKind.Companion, path),
            _ => default,
        };
    }

    private static string? HashOf(string file, string suffix) =>
        file.Length == StorePathName.HashLength + suffix.Length && file.EndsWith(suffix, StringComparison.Ordinal) && IsNix32(file.AsSpan(0, StorePathName.HashLength))
            ? file[..StorePathName.HashLength]
            : null;

    private static bool IsNix32(ReadOnlySpan<char> text) => !text.ContainsAnyExcept(Digits);

    private static bool IsNarName(string name) =>
        name.Length is > 0 and <= NarNameLengthMax && name[0] != '.' && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '-');

    private static bool IsPart(string name) =>
        name.Length is > 0 and <= CompanionPartMax && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '+' or '?' or '=' or ':' or '!');
}
