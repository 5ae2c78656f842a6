using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Catalogs;

namespace CvmfsNix.Cluster.Cli.Reading;

/// <summary>How a catalog entry is shown: as the JSON line of <c>ls</c>, and as a line for people.</summary>
internal static class EntryView
{
    private const uint PermissionMask = 0xFFF;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The JSON shape.</summary>
    /// <param name="entry">What the reader found.</param>
    /// <param name="sha256">Of the content; null where it was not asked for.</param>
    public static EntryJson ToJson(CatalogEntry entry, string? sha256)
    {
        bool directory = entry.Type == EntryType.Directory;
        ReadOnlyMemory<byte> path = entry.Path.IsRoot ? "/"u8.ToArray() : entry.Path.Bytes;
        bool link = entry.Type == EntryType.Symlink;
        return new EntryJson(
            Text(path, out bool pathIsText),
            TypeLetter(entry).ToString(),
            Convert.ToString(entry.Mode & PermissionMask, 8).PadLeft(4, '0'),
            entry.UserId,
            entry.GroupId,
            directory ? null : entry.Size,
            entry.ModifiedAt,
            directory ? null : entry.LinkCount,
            sha256,
            link ? Text(entry.SymlinkTarget, out _) : null,
            Attributes(entry))
        {
            PathBase64 = pathIsText ? null : Convert.ToBase64String(path.Span),
            TargetBase64 = link && !IsText(entry.SymlinkTarget) ? Convert.ToBase64String(entry.SymlinkTarget.Span) : null,
        };
    }

    /// <summary>A line as of <c>ls -l</c>, or only the name.</summary>
    public static string ToText(CatalogEntry entry, string name, bool detailed, string? sha256)
    {
        string shown = Escape(name);
        if (detailed)
        {
            string time = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(entry.ModifiedAt, 0, 253402300799))
                .UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
            shown = $"{TypeLetterOfList(entry)}{Permissions(entry.Mode)} {entry.LinkCount,3} {entry.UserId,5} {entry.GroupId,5} {entry.Size,12} {time} {shown}";
            if (entry.Type == EntryType.Symlink)
                shown += " -> " + Escape(Text(entry.SymlinkTarget, out _));
        }

        return sha256 is null ? shown : $"{sha256}  {shown}";
    }

    /// <summary>The text of raw bytes; what is not UTF-8 shows as U+FFFD.</summary>
    public static string Text(ReadOnlyMemory<byte> bytes, out bool exact)
    {
        exact = IsText(bytes);
        return Encoding.UTF8.GetString(bytes.Span);
    }

    private static bool IsText(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            StrictUtf8.GetCharCount(bytes.Span);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    // A name may hold line breaks and terminal commands; neither may reach a terminal.
    private static string Escape(string text)
    {
        if (!text.Any(char.IsControl))
            return text;
        var escaped = new StringBuilder();
        foreach (char c in text)
        {
            if (char.IsControl(c))
                escaped.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    private static char TypeLetter(CatalogEntry entry) => entry.Type switch
    {
        EntryType.Directory => 'd',
        EntryType.Regular => 'f',
        EntryType.Symlink => 'l',
        _ => (entry.Mode & 0xF000) switch
        {
            0x1000 => 'p',
            0xC000 => 's',
            0x2000 => 'c',
            _ => 'b',
        },
    };

    private static char TypeLetterOfList(CatalogEntry entry) => TypeLetter(entry) is var letter && letter == 'f' ? '-' : letter;

    private static string Permissions(uint mode)
    {
        const string Letters = "rwxrwxrwx";
        Span<char> text = stackalloc char[9];
        for (int i = 0; i < 9; i++)
            text[i] = (mode & (1u << (8 - i))) != 0 ? Letters[i] : '-';
        Special(text, 2, mode, 0x800, 's');
        Special(text, 5, mode, 0x400, 's');
        Special(text, 8, mode, 0x200, 't');
        return new string(text);
    }

    private static void Special(Span<char> text, int at, uint mode, uint bit, char letter)
    {
        if ((mode & bit) != 0)
            text[at] = text[at] == 'x' ? letter : char.ToUpperInvariant(letter);
    }

    private static SortedDictionary<string, string> Attributes(CatalogEntry entry)
    {
        var shown = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (entry.Xattrs is { } blob && Xattrs.TryDecode(blob, out IReadOnlyList<(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value)> attributes))
        {
            foreach ((ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value) in attributes)
                shown[Text(key, out _)] = Convert.ToHexStringLower(value.Span);
        }

        return shown;
    }
}
