using System.Globalization;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.NarInfos;

/// <summary>Takes a narinfo apart: lines of key, colon, one space, value; known keys at most once, except signatures.</summary>
internal sealed class NarInfoParser
{
    /// <summary>Longest text read, in characters: tens of thousands of references.</summary>
    private const int MaxLength = 4 * 1024 * 1024;

    private const int MaxSignatures = 1000;

    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private readonly List<string> _signatures = [];
    private StoreDirectory? _directory;
    private StorePathName _path;
    private string? _url;
    private string _compression = NarCompression.WhenMissing;
    private NarHash? _fileHash;
    private long? _fileSize;
    private NarHash? _narHash;
    private long? _narSize;
    private StorePathName[] _references = [];
    private StorePathName? _deriver;
    private string? _contentAddress;
    private int _line;

    public static NarInfo Parse(string text)
    {
        if (text.Length > MaxLength)
            throw new NarInfoFormatException(0, $"it has {text.Length} characters, more than {MaxLength}");
        return new NarInfoParser().Run(text);
    }

    private NarInfo Run(string text)
    {
        int start = 0;
        while (start < text.Length)
        {
            _line++;
            int end = text.IndexOf('\n', start);
            if (end < 0)
                throw Problem("the last line is not closed by a newline");
            Take(text[start..end]);
            start = end + 1;
        }

        return new NarInfo
        {
            StoreDirectory = _directory ?? throw Missing("StorePath"),
            Path = _path,
            Url = _url ?? throw Missing("URL"),
            Compression = _compression,
            FileHash = _fileHash,
            FileSize = _fileSize,
            NarHash = _narHash ?? throw Missing("NarHash"),
            NarSize = _narSize ?? throw Missing("NarSize"),
            References = _references,
            Deriver = _deriver,
            Signatures = _signatures,
            ContentAddress = _contentAddress,
        };
    }

    private void Take(string line)
    {
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || colon + 1 >= line.Length || line[colon + 1] != ' ')
            throw Problem("expected a key, a colon, a space and a value");
        string key = line[..colon];
        string value = line[(colon + 2)..];
        if (key == "Sig")
            TakeSignature(value);
        else if (IsKnown(key))
            TakeOnce(key, value);
    }

    private static bool IsKnown(string key) =>
        key is "StorePath" or "URL" or "Compression" or "FileHash" or "FileSize" or "NarHash" or "NarSize" or "References" or "Deriver" or "CA";

    private void TakeSignature(string value)
    {
        if (_signatures.Count == MaxSignatures)
            throw Problem($"there are more than {MaxSignatures} signatures");
        _signatures.Add(Word(value, "a signature"));
    }

    private void TakeOnce(string key, string value)
    {
        if (!_seen.Add(key))
            throw Problem($"{key} comes twice");
        switch (key)
        {
            case "StorePath":
                TakeStorePath(value);
                break;
            case "URL":
                _url = Word(value, "a URL");
                break;
            case "Compression":
                _compression = NarCompression.IsKnown(value) ? value : throw Found(value, "a compression that Nix knows");
                break;
            case "FileHash":
                _fileHash = Hash(value);
                break;
            case "FileSize":
                _fileSize = Number(value);
                break;
            case "NarHash":
                _narHash = Hash(value);
                break;
            case "NarSize":
                _narSize = Number(value) is > 0 and var size ? size : throw Found(value, "a size above 0");
                break;
            case "References":
                _references = [.. value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Name).Distinct().Order()];
                break;
            case "Deriver":
                _deriver = value is "" or "unknown-deriver" ? null : Name(value);
                break;
            default:
                _contentAddress = value.Length == 0 ? null : Word(value, "a content address");
                break;
        }
    }

    private void TakeStorePath(string value)
    {
        try
        {
            int slash = value.LastIndexOf('/');
            _directory = StoreDirectory.Parse(slash < 0 ? "" : value[..slash]);
            _path = _directory.ParsePath(value);
        }
        catch (StorePathFormatException e)
        {
            throw Problem(e.Message);
        }
    }

    private string Word(string value, string expected)
    {
        foreach (char c in value)
        {
            if (c is <= ' ' or > '~')
                throw Found(value, expected + " of printable ASCII without spaces");
        }

        return value.Length > 0 ? value : throw Found(value, expected);
    }

    private StorePathName Name(string value) =>
        StorePathName.TryParse(value, out StorePathName name) ? name : throw Found(value, "the base name of a store path");

    private NarHash Hash(string value) => NarHash.TryParse(value, out NarHash hash) ? hash : throw Found(value, "a SHA-256 hash");

    private long Number(string value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : throw Found(value, "a decimal number");

    private NarInfoFormatException Found(string value, string expected) =>
        Problem($"found \"{(value.Length <= 300 ? value : value[..300] + "…")}\", expected {expected}");

    private NarInfoFormatException Problem(string problem) => new(_line, problem);

    private static NarInfoFormatException Missing(string key) => new(0, $"it has no line {key}");
}
